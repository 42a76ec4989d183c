// The addon: what lib/addon.ts declares. With napi/, the only code that knows Node.
#include <napi.h>

#include <algorithm>
#include <chrono>

#include "../kernels/kernels.h"
#include "../runtime/thread_pool.h"
#include "job.h"
#include "operations.h"

namespace innerloop {
namespace {

Napi::Value create_token(const Napi::CallbackInfo& info) { return wrap(info.Env(), std::make_shared<Token>()); }

Napi::Value abort_token(const Napi::CallbackInfo& info) {
  unwrap<Token>(info[0])->aborted = true;
  return info.Env().Undefined();
}

// The device of a plugin, by the path of its library.
Napi::Value probe_device(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const innerloop_device_info device = Plugin::load(info[0].ToString().Utf8Value())->probe();
    Napi::Object out = Napi::Object::New(info.Env());
    out.Set("name", Napi::String::New(info.Env(), device.name));
    out.Set("backend", Napi::String::New(info.Env(), device.backend));
    out.Set("driver", Napi::Number::New(info.Env(), device.driver));
    out.Set("runtime", Napi::Number::New(info.Env(), device.runtime));
    out.Set("capability", Napi::Number::New(info.Env(), device.capability));
    out.Set("processors", Napi::Number::New(info.Env(), device.processors));
    out.Set("memory", Napi::Number::New(info.Env(), static_cast<double>(device.memory)));
    return out;
  });
}

// One activation over an array on the active instruction set; the tests measure its error against the exact function.
template <class T>
Napi::Value apply_activation(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto f = static_cast<Activation>(integer(info[0].ToNumber().DoubleValue(), 0, 3, "activation"));
    std::vector<T> x = copy<T>(info[1], "x");
    kernels<T>().activation_forward(f, static_cast<Index>(x.size()), x.data(), x.data());
    return to_typed_array(info.Env(), x);
  });
}

// Rate of fused multiply-adds of one thread on the active instruction set, in operations a second, measured here and
// now: the best of several short bursts, or with `sustained` that of all together, interruptions included.
template <class T>
Napi::Value measure_peak(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto result = std::make_shared<double>(0);
    const bool sustained = info[0].ToBoolean();
    return run_job(
        info.Env(), 1, nullptr,
        [result, sustained](const std::function<void()>&) {
          using Clock = std::chrono::steady_clock;
          const auto seconds_since = [](Clock::time_point start) {
            return std::chrono::duration<double>(Clock::now() - start).count();
          };
          const auto begin = Clock::now();
          double best = 0, total = 0;
          for (int burst = 0; burst < (sustained ? 5 : 20); ++burst) {
            const auto start = Clock::now();
            const double done = kernels<T>().multiply_adds(200000);
            best = std::max(best, done / seconds_since(start));
            total += done;
          }
          *result = sustained ? total / seconds_since(begin) : best;
        },
        [result](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, *result); });
  });
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
  exports.Set("probeDevice", Napi::Function::New(env, probe_device, "probeDevice"));
  using Function = Napi::Value (*)(const Napi::CallbackInfo&);
  const auto operations = [&](Napi::Object table, Function activation, Function peak) {
    table.Set("applyActivation", Napi::Function::New(env, activation, "applyActivation"));
    table.Set("measurePeak", Napi::Function::New(env, peak, "measurePeak"));
    return table;
  };
  exports.Set("float32", operations(Operations<float>::table(env), apply_activation<float>, measure_peak<float>));
  exports.Set("float64", operations(Operations<double>::table(env), apply_activation<double>, measure_peak<double>));
  return exports;
}

}  // namespace
}  // namespace innerloop

static Napi::Object InitInnerloop(Napi::Env env, Napi::Object exports) { return innerloop::init(env, exports); }
NODE_API_MODULE(innerloop, InitInnerloop)
