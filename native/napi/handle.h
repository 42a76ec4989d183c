// Handles are what JavaScript sees of native objects: opaque, type-tagged, and shared with the jobs that use them.
#pragma once
#include <napi.h>

#include <memory>

#include "../batch/batch.h"
#include "../meta/store.h"
#include "../model/model.h"
#include "../plan/inner_loop.h"
#include "../runtime/errors.h"
#include "../task/adapted.h"
#include "job.h"
#include "memory.h"

namespace innerloop {

template <class T>
struct GradientPart;  // training.cc

template <class X>
constexpr napi_type_tag kTag{0, 0};
#define INNERLOOP_TAG(X, id) \
  template <>                \
  inline constexpr napi_type_tag kTag<X>{0x696e6e65726c6f6fu, id};
INNERLOOP_TAG(Model<float>, 1)
INNERLOOP_TAG(Model<double>, 2)
INNERLOOP_TAG(Store<float>, 3)
INNERLOOP_TAG(Store<double>, 4)
INNERLOOP_TAG(Frame<float>, 5)
INNERLOOP_TAG(Frame<double>, 6)
INNERLOOP_TAG(Batch<float>, 7)
INNERLOOP_TAG(Batch<double>, 8)
INNERLOOP_TAG(Adapted<float>, 9)
INNERLOOP_TAG(Adapted<double>, 10)
INNERLOOP_TAG(Token, 11)
INNERLOOP_TAG(Graph<float>, 12)
INNERLOOP_TAG(Graph<double>, 13)
INNERLOOP_TAG(PreparedInnerLoop<float>, 14)
INNERLOOP_TAG(PreparedInnerLoop<double>, 15)
INNERLOOP_TAG(ItemFeatures<float>, 16)
INNERLOOP_TAG(ItemFeatures<double>, 17)
INNERLOOP_TAG(ItemPool, 18)
INNERLOOP_TAG(GradientPart<float>, 19)
INNERLOOP_TAG(GradientPart<double>, 20)
INNERLOOP_TAG(TextIndex, 21)
INNERLOOP_TAG(Ranker<float>, 22)
INNERLOOP_TAG(Ranker<double>, 23)

// What a handle holds, and how many bytes of it the garbage collector has been told of.
template <class X>
struct Holder {
  std::shared_ptr<X> x;
  std::int64_t told = 0;
  // The object may have grown, or have been given up.
  void tell(napi_env env) {
    const std::int64_t bytes = x ? bytes_of(*x) : 0;
    std::int64_t total = 0;
    if (bytes != told) napi_adjust_external_memory(env, bytes - told, &total);
    told = bytes;
  }
};

template <class X>
Napi::Object wrap(Napi::Env env, std::shared_ptr<X> x) {
  Napi::Object object = Napi::Object::New(env);
  auto* holder = new Holder<X>{std::move(x)};
  const auto finalize = [](napi_env its_env, void* p, void*) {
    auto* finalized = static_cast<Holder<X>*>(p);
    finalized->x = nullptr;
    finalized->tell(its_env);
    delete finalized;
  };
  if (napi_wrap(env, object, holder, finalize, nullptr, nullptr) != napi_ok) {
    delete holder;
    throw Napi::Error::New(env, "cannot wrap a native object");
  }
  if (napi_type_tag_object(env, object, &kTag<X>) != napi_ok) throw Napi::Error::New(env, "cannot tag a native object");
  holder->tell(env);
  return object;
}

template <class X>
bool is_handle(const Napi::Value& value) {
  bool match = false;
  return value.IsObject() && napi_check_object_type_tag(value.Env(), value, &kTag<X>, &match) == napi_ok && match;
}

template <class X>
Holder<X>& holder_of(const Napi::Value& value) {
  void* p = nullptr;
  if (!is_handle<X>(value) || napi_unwrap(value.Env(), value, &p) != napi_ok)
    throw Napi::TypeError::New(value.Env(), "a native handle of another kind was given");
  return *static_cast<Holder<X>*>(p);
}

template <class X>
std::shared_ptr<X> unwrap(const Napi::Value& value) {
  const Holder<X>& holder = holder_of<X>(value);
  if (!holder.x) throw Error("DISPOSED", "it was disposed of");
  return holder.x;
}

}  // namespace innerloop
