// Operations on the items of a catalogue and on one user, and what gives native objects up before the garbage collector
// does.
#include <algorithm>

#include "../device/mirror.h"
#include "../layers/layer.h"
#include "../serving/posterior_sample.h"
#include "../serving/posterior_update.h"
#include "../serving/similar_items.h"
#include "call.h"
#include "items.h"
#include "operations.h"
#include "packed.h"

namespace innerloop {
namespace {

// { items, rows?, offset?, boost? }
Napi::Value create_item_pool(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Object from = object(info[0], "pool");
    auto pool = std::make_shared<ItemPool>();
    pool->items = integer(from, "items", 1, kMaxCount);
    pool->whole = from.Get("rows").IsUndefined();
    if (!pool->whole) pool->rows = rows_of(from.Get("rows"), pool->items, "rows");
    const auto terms = [&](const char* name) {
      std::vector<double> values;
      if (from.Get(name).IsUndefined()) return values;
      values = copy<double>(from.Get(name), name);
      require(static_cast<Index>(values.size()) == pool->items, "a term must hold one value for each item");
      return values;
    };
    pool->offset = terms("offset");
    pool->boost = terms("boost");
    return wrap(info.Env(), std::move(pool));
  });
}

// { store, threads, token, frame, one, itemSides, items, inner }: a promise of a handle.
template <class T>
Napi::Value create_item_features(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Object options = object(info[0], "options");
    const auto c = read_call<T>(info, false);
    const Index items = integer(options, "items", 1, kMaxCount);
    const std::vector<int> sides = read_item_sides(options);
    require_one(*c->batch, sides, items);
    require(c->store->model->last_layer != nullptr, "only a linear last layer reads features");
    if (c->store->model->device)
      throw Error("UNSUPPORTED", "features of items that are kept for all users are not supported on the device");
    const auto result = std::make_shared<ItemFeatures<T>>();
    return run_reading<false>(
        info.Env(), c, length_of(static_cast<double>(items) * work_of(c->inner, *c->batch, Wanted::outputs)),
        [c, items, sides, result](const Poll& poll) {
          std::vector<std::int32_t> rows(static_cast<std::size_t>(items));
          for (Index i = 0; i < items; ++i) rows[i] = static_cast<std::int32_t>(i);
          const auto batch = for_items<T>(*c->batch, rows, sides);
          const Plan<T> plan(*c->store->model, c->inner, *batch, c->threads);
          *result = item_features<T>(plan, c->store->values->data(), c->threads, poll);
        },
        [result](Napi::Env env) -> Napi::Value { return wrap(env, result); });
  });
}

// (features, rows): [rows, width] of them.
template <class T>
Napi::Value read_item_features(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto features = unwrap<ItemFeatures<T>>(info[0]);
    const std::vector<std::int32_t> rows = copy<std::int32_t>(info[1], "rows");
    auto out = Napi::TypedArrayOf<T>::New(info.Env(), rows.size() * static_cast<std::size_t>(features->width));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      require(rows[i] >= 0 && rows[i] < features->items, "a row is outside the catalogue");
      std::copy_n(features->values.data() + rows[i] * features->width, features->width,
                  out.Data() + i * features->width);
    }
    return out;
  });
}

// (vectors, items): a handle, as createItemFeatures gives it, of vectors that no last layer reads.
template <class T>
Napi::Value create_item_vectors(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto features = std::make_shared<ItemFeatures<T>>();
    features->values = copy<T, Aligned<T>>(info[0], "vectors");
    if (!info[1].IsNumber()) throw Error("INVALID_OPTION", "items must be a number");
    features->items = integer(info[1].As<Napi::Number>().DoubleValue(), 1, kMaxCount, "items");
    const Index numbers = static_cast<Index>(features->values.size());
    require(numbers > 0 && numbers % features->items == 0, "vectors must be of one length, one for each item");
    features->width = numbers / features->items;
    return wrap(info.Env(), std::move(features));
  });
}

// (features, { row, count, threads, token? }): a promise of { rows, similarities }, the nearest first.
template <class T>
Napi::Value find_similar_items(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto features = unwrap<ItemFeatures<T>>(info[0]);
    const Napi::Object options = object(info[1], "options");
    require(features->items > 1, "there are no items");
    const Index row = integer(options, "row", 1, static_cast<double>(features->items) - 1);
    const Index count = std::min(features->items, integer(options, "count", 1, kMaxCount));
    const int threads = static_cast<int>(integer(options, "threads", 1, 1024));
    std::shared_ptr<Token> token;
    if (!options.Get("token").IsUndefined()) token = unwrap<Token>(options.Get("token"));
    const auto found = std::make_shared<std::vector<Ranked>>();
    return run_job(
        info.Env(), threads, length_of(2.0 * static_cast<double>(features->values.size())), std::move(token),
        [features, row, count, threads, found](const Poll& poll) {
          *found = similar_items<T>(*features, row, count, threads, poll);
        },
        [found](Napi::Env env) -> Napi::Value {
          auto rows = Napi::Int32Array::New(env, found->size());
          auto similarities = Napi::Float64Array::New(env, found->size());
          for (std::size_t i = 0; i < found->size(); ++i) {
            rows.Data()[i] = (*found)[i].row;
            similarities.Data()[i] = (*found)[i].score;
          }
          Napi::Object out = Napi::Object::New(env);
          out.Set("rows", rows);
          out.Set("similarities", similarities);
          return out;
        });
  });
}

// (model, { store, adapted: [bytes], selection, normals, scale }): bytes.
template <class T>
Napi::Value sample_adapted(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Object options = object(info[1], "options");
    const std::shared_ptr<const Model<T>> model = unwrap<Model<T>>(info[0]);
    const auto adapted = read_adapted_tasks<T>(model, options);
    require(adapted.size() == 1, "one task is drawn at a time");
    const auto store = unwrap<Store<T>>(options.Get("store"));
    require(store->model == model, "the parameters belong to another model");
    const std::vector<double> normals = copy<double>(options.Get("normals"), "normals");
    const auto lock = share_now(*store);
    bring_home(*store);
    const Adapted<T> drawn = sample_posterior(*adapted[0], store->values->data(), normals, number(options, "scale"));
    return bytes_to_array(info.Env(), pack_adapted(drawn));
  });
}

// The call of a batch with one support row, and { adapted: [bytes], selection, before?, shift }:
// { adapted, certain }, without and with the posterior, or a promise of them.
template <class T>
Napi::Value update_adapted(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    constexpr Index kTiny = 128;  // a layer with fewer weights takes less time than to wake a thread
    const Napi::Object options = object(info[0], "options");
    const auto c = read_call<T>(info, true);
    const auto adapted = read_adapted_tasks<T>(c->store->model, options);
    require(adapted.size() == 1 && c->batch->begin.size() == 3 && c->batch->begin[1] == 1 && c->batch->begin[2] == 1,
            "one row of one user is added");
    require(c->inner.solver == SolverKind::ridge && adapted[0]->has_posterior() && adapted[0]->fast == c->inner.fast,
            "only a ridge regression takes rows one by one");
    require(!c->inner.graph, "a prior mean that is made of the support rows takes no row by itself");
    if (c->store->model->device) throw Error("UNSUPPORTED", "an update row by row is not supported on the device");
    RowChange change;
    change.shift = number(options, "shift");
    if (!options.Get("before").IsUndefined()) change.before = number(options, "before");
    const auto result = std::make_shared<Adapted<T>>();
    const Work work = [c, adapted, change, result](const Poll& poll) {
      const Plan<T> plan(*c->store->model, c->inner, *c->batch, 1);
      *result = update_posterior<T>(plan, c->store->values->data(), *adapted[0], change, poll);
    };
    const Finish finish = [result](Napi::Env env) -> Napi::Value {
      Napi::Object out = Napi::Object::New(env);
      out.Set("certain", bytes_to_array(env, pack_adapted(*result)));
      result->mode.clear(), result->factor.clear(), result->dual.reset();
      out.Set("adapted", bytes_to_array(env, pack_adapted(*result)));
      return out;
    };
    if (c->store->model->last_layer->I < kTiny) {
      const std::shared_lock lock(c->store->mutex, std::try_to_lock);
      if (lock) return run_inline(info.Env(), work, finish);
    }
    // A row takes d² operations; the one that makes rows as many as weights changes the form of the factor and takes
    // d³.
    const double d = static_cast<double>(c->store->model->last_layer->I + 1);
    return run_reading<false>(info.Env(), c, length_of(d * d * d), work, finish);
  });
}

template <class X>
bool released(Napi::Env env, const Napi::Value& value) {
  if (!is_handle<X>(value)) return false;
  Holder<X>& holder = holder_of<X>(value);
  holder.x = nullptr;  // jobs that use it hold it until they end
  holder.tell(env);
  return true;
}

template <class T>
Napi::Value release(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const bool done = released<Store<T>>(env, info[0]) || released<Frame<T>>(env, info[0]) ||
                      released<Batch<T>>(env, info[0]) || released<Adapted<T>>(env, info[0]) ||
                      released<ItemFeatures<T>>(env, info[0]) || released<ItemPool>(env, info[0]) ||
                      released<Ranker<T>>(env, info[0]);
    require(done, "this is nothing to be released");
    return env.Undefined();
  });
}

}  // namespace

template <class T>
void add_serving_operations(const Operations& operations) {
  operations.add("createItemPool", create_item_pool);
  operations.add("createItemFeatures", create_item_features<T>);
  operations.add("readItemFeatures", read_item_features<T>);
  operations.add("createItemVectors", create_item_vectors<T>);
  operations.add("similarItems", find_similar_items<T>);
  operations.add("sampleAdapted", sample_adapted<T>);
  operations.add("updateAdapted", update_adapted<T>);
  operations.add("release", release<T>);
}

INNERLOOP_OPERATIONS(add_serving_operations)

}  // namespace innerloop
