#include "call.h"

#include "batch.h"
#include "inner_loop.h"

namespace innerloop {

template <class T>
std::shared_ptr<Call<T>> read_call(const Napi::CallbackInfo& info, bool labels, bool may_be_empty) {
  const Napi::Object options = object(info[0], "options");
  auto c = std::make_shared<Call<T>>();
  c->store = unwrap<Store<T>>(options.Get("store"));
  // A batch that only this call uses gets no handle, because a handle would keep it until the event loop runs.
  c->batch =
      options.Get("batch").IsUndefined()
          ? build_batch<T>(c->store->model, unwrap<Frame<T>>(options.Get("frame")), object(options.Get("rows"), "rows"))
          : unwrap<Batch<T>>(options.Get("batch"));
  require(c->store->model == c->batch->model, "the parameters and the batch belong to different models");
  require(may_be_empty || c->batch->tasks() > 0, "the batch has no tasks");
  require(!labels || !c->batch->labels.empty() || c->batch->begin.back() == 0, "the batch has no labels");
  const Napi::Object inner = object(options.Get("inner"), "inner");
  const PreparedInnerLoop<T> loop =
      is_handle<PreparedInnerLoop<T>>(inner) ? *unwrap<PreparedInnerLoop<T>>(inner) : prepare(c->store->model, inner);
  require(loop.model == c->store->model, "the inner loop belongs to another model");
  c->inner = loop.inner;
  c->rates = loop.rates;
  require(!c->rates || c->rates != c->store, "the rates must have a store of their own");
  c->threads = static_cast<int>(integer(options, "threads", 1, 1024));
  if (!options.Get("token").IsUndefined()) c->token = unwrap<Token>(options.Get("token"));
  return c;
}

template std::shared_ptr<Call<float>> read_call(const Napi::CallbackInfo&, bool, bool);
template std::shared_ptr<Call<double>> read_call(const Napi::CallbackInfo&, bool, bool);

}  // namespace innerloop
