// The addon: what lib/foundation/native-contract.ts declares. The files of this folder are the only ones that know
// Node.
#include <napi.h>

#include "../device/plugin.h"
#include "../kernels/kernels.h"
#include "../runtime/thread_pool.h"
#include "handle.h"
#include "job.h"
#include "operations.h"
#include "texts.h"

namespace innerloop {
namespace {

Napi::Value create_token(const Napi::CallbackInfo& info) { return wrap(info.Env(), std::make_shared<Token>()); }

Napi::Value abort_token(const Napi::CallbackInfo& info) {
  const auto token = unwrap<Token>(info[0]);
  token->aborted = true;
  ThreadPool::instance().make_brief(token.get());
  return info.Env().Undefined();
}

Napi::Value handed_over(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(ThreadPool::instance().handed_over()));
}

// Describes the device of a plugin, by the path of its library.
Napi::Value probe_device(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const innerloop_device_info device = Plugin::load(info[0].ToString().Utf8Value())->probe();
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("name", Napi::String::New(info.Env(), device.name));
    out.Set("backend", Napi::String::New(info.Env(), device.backend));
    const auto number = [&](const char* name, double value) { out.Set(name, Napi::Number::New(info.Env(), value)); };
    number("driver", device.driver);
    number("runtime", device.runtime);
    number("capability", device.capability);
    number("processors", device.processors);
    number("memory", static_cast<double>(device.memory));
    return out;
  });
}

template <class T>
Napi::Object operations_of(Napi::Env env) {
  const Operations operations{env, Napi::Object::New(env)};
  add_model_operations<T>(operations);
  add_store_operations<T>(operations);
  add_initial_operations<T>(operations);
  add_batch_operations<T>(operations);
  add_graph_operations<T>(operations);
  add_inner_loop_operations<T>(operations);
  add_adapted_operations<T>(operations);
  add_gradient_operations<T>(operations);
  add_training_operations<T>(operations);
  add_measuring_operations<T>(operations);
  add_ranking_operations<T>(operations);
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
  exports.Set("handedOver", Napi::Function::New(env, handed_over, "handedOver"));
  exports.Set("createToken", Napi::Function::New(env, create_token, "createToken"));
  exports.Set("abortToken", Napi::Function::New(env, abort_token, "abortToken"));
  exports.Set("probeDevice", Napi::Function::New(env, probe_device, "probeDevice"));
  exports.Set("enums", enumerator_tables(env));
  exports.Set("decisions", decisions(env));
  exports.Set("texts", text_operations(env));
  exports.Set("float32", operations_of<float>(env));
  exports.Set("float64", operations_of<double>(env));
  return exports;
}

}  // namespace
}  // namespace innerloop

static Napi::Object InitInnerloop(Napi::Env env, Napi::Object exports) { return innerloop::init(env, exports); }
NODE_API_MODULE(innerloop, InitInnerloop)
