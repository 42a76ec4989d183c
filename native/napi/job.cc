#include "job.h"

#include <exception>
#include <mutex>
#include <new>

#include "../device/plugin.h"
#include "../runtime/errors.h"
#include "../runtime/thread_pool.h"

namespace innerloop {
namespace {

// Calls in a row that run where they are asked for: the hand-over of the next costs each some microseconds.
constexpr int kAtOnce = 32;

struct Completion {
  napi_deferred deferred;
  std::exception_ptr failure;
  Finish finish;
};

// A bridge takes results back into one environment. Node frees the thread-safe function when the environment ends, even
// if somebody still holds it, so that a pool thread may touch it only under this lock and while the environment lives.
// The clean-up hook, which runs before that of Node because it was added later, closes the bridge first.
struct Bridge {
  std::mutex mutex;
  std::atomic<bool> closed{false};  // also read without the lock, to stop work that nobody waits for
  napi_threadsafe_function deliver = nullptr;
  // Read and written by the environment's thread alone: calls of the pool, and calls that ran at once since one of the
  // pool's was settled.
  int in_flight = 0, at_once = 0;
};

// Takes the completion over, or says that nobody is left to take it.
bool deliver(Bridge& bridge, Completion* done) {
  const std::lock_guard lock(bridge.mutex);
  return !bridge.closed && napi_call_threadsafe_function(bridge.deliver, done, napi_tsfn_nonblocking) == napi_ok;
}

void settle_promise(Napi::Env env, Completion& done) {
  Napi::HandleScope scope(env);
  try {
    if (done.failure) std::rethrow_exception(done.failure);
    const Napi::Value value = done.finish(env);
    napi_resolve_deferred(env, done.deferred, value);
  } catch (const Napi::Error& error) {
    napi_reject_deferred(env, done.deferred, error.Value());
  } catch (...) {
    napi_reject_deferred(env, done.deferred, to_js_error(env, std::current_exception()).Value());
  }
}

void settle(napi_env raw, napi_value, void* context, void* data) {
  std::unique_ptr<Completion> done(static_cast<Completion*>(data));
  if (!raw) return;  // the environment is going away; nobody is left to tell
  auto* bridge = static_cast<Bridge*>(context);
  bridge->at_once = 0;
  if (--bridge->in_flight == 0) napi_unref_threadsafe_function(raw, bridge->deliver);
  // While a worker is being terminated no JavaScript runs: every call fails, that which makes the error too. An
  // exception that left this function would end the process.
  try {
    settle_promise(Napi::Env(raw), *done);
  } catch (...) {
  }
}

}  // namespace

Napi::Error to_js_error(Napi::Env env, std::exception_ptr failure) {
  const auto make = [&](const std::string& message, const std::string& code) {
    Napi::Error error = Napi::Error::New(env, message);
    error.Set("code", Napi::String::New(env, code));
    return error;
  };
  try {
    std::rethrow_exception(failure);
  } catch (const Diverged& e) {
    Napi::Error error = make(e.what(), e.code);
    if (e.task >= 0) error.Set("task", Napi::Number::New(env, static_cast<double>(e.task)));
    return error;
  } catch (const DeviceError& e) {
    Napi::Error error = make(e.what(), e.code);
    error.Set("required", Napi::Number::New(env, e.required));
    error.Set("found", Napi::Number::New(env, e.found));
    return error;
  } catch (const Error& e) {
    return make(e.what(), e.code);
  } catch (const std::bad_alloc&) {
    return make("out of memory", "NATIVE");
  } catch (const std::exception& e) {
    return make(e.what(), "NATIVE");
  } catch (...) {
    return make("unknown failure in the native core", "NATIVE");
  }
}

void init_jobs(Napi::Env env) {
  // The environment's instance data and the jobs in flight own it.
  auto* holder = new std::shared_ptr<Bridge>(std::make_shared<Bridge>());
  Bridge* bridge = holder->get();
  napi_value name = Napi::String::New(env, "innerloop");
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, bridge, settle,
                                      &bridge->deliver) != napi_ok) {
    delete holder;
    throw Napi::Error::New(env, "cannot create the thread-safe function");
  }
  napi_unref_threadsafe_function(env, bridge->deliver);
  napi_add_env_cleanup_hook(
      env,
      [](void* data) {
        auto& closing = *static_cast<Bridge*>(data);
        const std::lock_guard lock(closing.mutex);
        closing.closed = true;
      },
      bridge);
  napi_set_instance_data(
      env, holder, [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Bridge>*>(data); }, nullptr);
}

Napi::Value run_job(Napi::Env env, int threads, Length length, std::shared_ptr<Token> token, Work work, Finish finish) {
  const void* const owner = token.get();
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  const std::shared_ptr<Bridge> bridge = *static_cast<std::shared_ptr<Bridge>*>(data);

  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) throw Napi::Error::New(env, "cannot create a promise");
  // Nothing at work holds a lock that this thread would wait for.
  if (length == Length::instant && bridge->in_flight == 0 && ++bridge->at_once < kAtOnce) {
    Completion done{deferred, nullptr, std::move(finish)};
    try {
      const FlushDenormals flush;
      const Poll poll = [&token] {
        if (token && token->aborted.load(std::memory_order_relaxed)) throw Aborted();
      };
      poll();
      work(poll);
    } catch (...) {
      done.failure = std::current_exception();
    }
    work = nullptr;
    settle_promise(env, done);
    return Napi::Value(env, promise);
  }
  auto* done = new Completion{deferred, nullptr, std::move(finish)};
  if (bridge->in_flight++ == 0) napi_ref_threadsafe_function(env, bridge->deliver);

  ThreadPool::instance().submit(
      [bridge, done, token = std::move(token), work = std::move(work)]() mutable {
        try {
          const Poll poll = [&token, &bridge] {
            if (bridge->closed.load(std::memory_order_relaxed) ||
                (token && token->aborted.load(std::memory_order_relaxed)))
              throw Aborted();
          };
          poll();
          work(poll);
        } catch (...) {
          done->failure = std::current_exception();
        }
        work = nullptr;  // releases what the work held before the promise settles
        if (!deliver(*bridge, done)) delete done;
      },
      threads, length != Length::lengthy, owner);
  return Napi::Value(env, promise);
}

Napi::Value run_inline(Napi::Env env, const Work& work, const Finish& finish) {
  {
    const FlushDenormals flush;
    work([] {});
  }
  return finish(env);
}

}  // namespace innerloop
