// Operations that measure the kernels, for tests and benchmarks.
#include <algorithm>
#include <chrono>

#include "../kernels/kernels.h"
#include "arguments.h"
#include "job.h"
#include "operations.h"

namespace innerloop {
namespace {

// Computes one activation over an array on the active instruction set; tests measure its error against the exact
// function.
template <class T>
Napi::Value apply_activation(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto f = enumerator<Activation>(info[0], "activation");
    std::vector<T> x = copy<T>(info[1], "x");
    kernels<T>().activation_forward(f, static_cast<Index>(x.size()), x.data(), x.data());
    return to_typed_array(info.Env(), x);
  });
}

// Measures the rate of fused multiply-adds of one thread on the active instruction set, in operations a second: the
// best of several short bursts, or with `sustained` that of all bursts together, interruptions included.
template <class T>
Napi::Value measure_peak(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto result = std::make_shared<double>(0);
    const bool sustained = info[0].ToBoolean();
    return run_job(
        info.Env(), 1, Length::lengthy, nullptr,
        [result, sustained](const Poll&) {
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

}  // namespace

template <class T>
void add_measuring_operations(const Operations& operations) {
  operations.add("applyActivation", apply_activation<T>);
  operations.add("measurePeak", measure_peak<T>);
}

INNERLOOP_OPERATIONS(add_measuring_operations)

}  // namespace innerloop
