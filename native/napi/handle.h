// Native objects as JavaScript sees them: opaque, type-tagged, and shared with the jobs that use them.
#pragma once
#include <napi.h>

#include <memory>

#include "../batch/batch.h"
#include "../meta/store.h"
#include "../model/model.h"
#include "../plan/inner_loop.h"
#include "../task/adapted.h"
#include "job.h"

namespace innerloop {

// An inner loop that has been read, for any number of calls.
template <class T>
struct PreparedInnerLoop {
  std::shared_ptr<const Model<T>> model;
  InnerLoop<T> inner;
  std::shared_ptr<Store<T>> rates;  // where the rates are parameters
};

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

template <class X>
Napi::Object wrap(Napi::Env env, std::shared_ptr<X> x) {
  Napi::Object object = Napi::Object::New(env);
  auto* holder = new std::shared_ptr<X>(std::move(x));
  const auto finalize = [](napi_env, void* p, void*) { delete static_cast<std::shared_ptr<X>*>(p); };
  if (napi_wrap(env, object, holder, finalize, nullptr, nullptr) != napi_ok) {
    delete holder;
    throw Napi::Error::New(env, "cannot wrap a native object");
  }
  if (napi_type_tag_object(env, object, &kTag<X>) != napi_ok) throw Napi::Error::New(env, "cannot tag a native object");
  return object;
}

template <class X>
bool is_handle(const Napi::Value& value) {
  bool match = false;
  return value.IsObject() && napi_check_object_type_tag(value.Env(), value, &kTag<X>, &match) == napi_ok && match;
}

template <class X>
std::shared_ptr<X> unwrap(const Napi::Value& value) {
  void* p = nullptr;
  if (!is_handle<X>(value) || napi_unwrap(value.Env(), value, &p) != napi_ok)
    throw Napi::TypeError::New(value.Env(), "a native handle of another kind was given");
  return *static_cast<std::shared_ptr<X>*>(p);
}

}  // namespace innerloop
