#include "job.h"

#include <exception>
#include <new>

#include "../errors.h"
#include "../thread_pool.h"

namespace innerloop {
namespace {

struct Completion {
  napi_deferred deferred;
  std::exception_ptr failure;
  std::function<Napi::Value(Napi::Env)> finish;
};

struct Environment {
  napi_threadsafe_function deliver = nullptr;
  int in_flight = 0;
};

void settle(napi_env raw, napi_value, void* context, void* data) {
  std::unique_ptr<Completion> done(static_cast<Completion*>(data));
  if (!raw) return;  // the environment is going away; nobody is left to tell
  Napi::Env env(raw);
  Napi::HandleScope scope(env);
  auto* environment = static_cast<Environment*>(context);
  if (--environment->in_flight == 0) napi_unref_threadsafe_function(raw, environment->deliver);
  try {
    if (done->failure) std::rethrow_exception(done->failure);
    const Napi::Value value = done->finish(env);
    napi_resolve_deferred(raw, done->deferred, value);
  } catch (const Napi::Error& error) {
    napi_reject_deferred(raw, done->deferred, error.Value());
  } catch (...) {
    napi_reject_deferred(raw, done->deferred, to_js_error(env, std::current_exception()).Value());
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
  auto* environment = new Environment;
  napi_value name = Napi::String::New(env, "innerloop");
  const auto finalize = [](napi_env, void* context, void*) { delete static_cast<Environment*>(context); };
  if (napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, environment, finalize, environment, settle,
                                      &environment->deliver) != napi_ok)
    throw Napi::Error::New(env, "cannot create the thread-safe function");
  napi_unref_threadsafe_function(env, environment->deliver);
  napi_set_instance_data(env, environment, [](napi_env, void*, void*) {}, nullptr);
}

Napi::Value run_job(Napi::Env env, int threads, std::shared_ptr<Token> token,
                    std::function<void(const std::function<void()>&)> work, std::function<Napi::Value(Napi::Env)> finish) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  auto* environment = static_cast<Environment*>(data);

  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) throw Napi::Error::New(env, "cannot create a promise");
  auto* done = new Completion{deferred, nullptr, std::move(finish)};
  const napi_threadsafe_function deliver = environment->deliver;
  napi_acquire_threadsafe_function(deliver);
  if (environment->in_flight++ == 0) napi_ref_threadsafe_function(env, deliver);

  ThreadPool::instance().submit(
      [deliver, done, token = std::move(token), work = std::move(work)]() mutable {
        try {
          const std::function<void()> poll = [&token] {
            if (token && token->aborted.load(std::memory_order_relaxed)) throw Aborted();
          };
          poll();
          work(poll);
        } catch (...) {
          done->failure = std::current_exception();
        }
        work = nullptr;  // releases what the work held before the promise settles
        if (napi_call_threadsafe_function(deliver, done, napi_tsfn_nonblocking) == napi_ok)
          napi_release_threadsafe_function(deliver, napi_tsfn_release);
        else
          delete done;  // the environment is closing: the call has released its hold itself
      },
      threads);
  return Napi::Value(env, promise);
}

}  // namespace innerloop
