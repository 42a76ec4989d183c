// The addon: what lib/foundation/native-contract.ts declares. The files of this folder are the only ones that know
// Node.
#include <napi.h>

#include "../kernels/kernels.h"
#include "../runtime/thread_pool.h"
#include "handle.h"
#include "job.h"
#include "operations.h"

namespace innerloop {
namespace {

Napi::Value create_token(const Napi::CallbackInfo& info) { return wrap(info.Env(), std::make_shared<Token>()); }

Napi::Value abort_token(const Napi::CallbackInfo& info) {
  unwrap<Token>(info[0])->aborted = true;
  return info.Env().Undefined();
}

template <class T>
Napi::Object operations_of(Napi::Env env) {
  const Operations operations{env, Napi::Object::New(env)};
  add_model_operations<T>(operations);
  add_store_operations<T>(operations);
  add_batch_operations<T>(operations);
  add_graph_operations<T>(operations);
  add_inner_loop_operations<T>(operations);
  add_adapted_operations<T>(operations);
  add_gradient_operations<T>(operations);
  add_training_operations<T>(operations);
  add_measuring_operations<T>(operations);
  add_serving_operations<T>(operations);
  return operations.exports;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  try {
    active_isa();
  } catch (const std::exception& e) {
    Napi::Error error = Napi::Error::New(env, e.what());
    error.Set("code", Napi::String::New(env, "UNSUPPORTED"));
    throw error;
  }
  init_jobs(env);
  Napi::Array isas = Napi::Array::New(env);
  for (const std::string& isa : available_isas()) isas.Set(isas.Length(), Napi::String::New(env, isa));
  exports.Set("isa", Napi::String::New(env, active_isa()));
  exports.Set("isas", isas);
  exports.Set("hardwareThreads", Napi::Number::New(env, ThreadPool::hardware_threads()));
  exports.Set("createToken", Napi::Function::New(env, create_token, "createToken"));
  exports.Set("abortToken", Napi::Function::New(env, abort_token, "abortToken"));
  exports.Set("enums", enumerator_tables(env));
  exports.Set("decisions", decisions(env));
  exports.Set("float32", operations_of<float>(env));
  exports.Set("float64", operations_of<double>(env));
  return exports;
}

}  // namespace
}  // namespace innerloop

static Napi::Object InitInnerloop(Napi::Env env, Napi::Object exports) { return innerloop::init(env, exports); }
NODE_API_MODULE(innerloop, InitInnerloop)
