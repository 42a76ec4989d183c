// Runs asynchronous calls. Their work runs on the pool, never on libuv's threads, and on the event loop's only where a
// hand-over would take longer. It never sees the environment; its result becomes a JavaScript value on the thread of
// the environment that asked.
#pragma once
#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>

#include "../plan/work.h"

namespace innerloop {

// JavaScript sets it when an AbortSignal fires; it is polled between tasks and within long ones.
struct Token {
  std::atomic<bool> aborted{false};
};

// Must be called once for each environment (main thread or worker) before run_job.
void init_jobs(Napi::Env env);

using Poll = std::function<void()>;  // throws Aborted once the token is set
using Work = std::function<void(const Poll&)>;
using Finish = std::function<Napi::Value(Napi::Env)>;  // makes the value of the promise

// `brief` work takes some milliseconds at most, and does not wait behind longer work. `instant` work takes less time
// than a hand-over: while nothing else of the environment is at work it runs where it is asked for, and the promise is
// settled at once. After some in a row one is handed over all the same, so that a loop that waits for one after the
// other lets timers and signals through.
enum class Length { instant, brief, lengthy };
inline Length length_of(double work) { return work <= kBriefWork ? Length::brief : Length::lengthy; }
Napi::Value run_job(Napi::Env env, int threads, Length length, std::shared_ptr<Token> token, Work work, Finish finish);

// Runs the same on this thread at once, and gives the value itself.
Napi::Value run_inline(Napi::Env env, const Work& work, const Finish& finish);

// Makes an Error object with `code` and, where known, `task`.
Napi::Error to_js_error(Napi::Env env, std::exception_ptr failure);

// Runs body, translating core errors into JavaScript ones.
template <class F>
Napi::Value guarded(Napi::Env env, F&& body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_js_error(env, std::current_exception());
  }
}

}  // namespace innerloop
