// What every compute call takes, and how it runs.
#pragma once
#include <mutex>
#include <shared_mutex>

#include "../batch/batch.h"
#include "../device/calls.h"
#include "../plan/work.h"
#include "arguments.h"
#include "handle.h"
#include "job.h"
#include "locks.h"

namespace innerloop {

template <class T>
struct Call {
  std::shared_ptr<Store<T>> store;
  std::shared_ptr<Batch<T>> batch;
  InnerLoop<T> inner;
  std::shared_ptr<Store<T>> rates;  // where the rates are parameters
  int threads;
  std::shared_ptr<Token> token;

  CallInputs<T> inputs(const Poll& poll) const { return {*store, *batch, inner, rates.get(), threads, poll}; }
};

// Reads the call from its first argument, an object. @param labels whether the batch must have labels
// @param may_be_empty whether it may have no tasks, as a part of a batch may
template <class T>
std::shared_ptr<Call<T>> read_call(const Napi::CallbackInfo& info, bool labels, bool may_be_empty = false);

inline Direction read_direction(const Napi::CallbackInfo& info) {
  return enumerator<Direction>(object(info[0], "options"), "direction");
}

// How long a call takes. Work that is too little to share is for one thread. A gradient makes, beside its work, tables
// of the size of the parameters.
template <class T>
Length length_of(Call<T>& call, Wanted wanted) {
  constexpr std::size_t kSmall = 1 << 16;
  const double work = work_of(call.inner, *call.batch, wanted);
  if (work > kInstantWork || call.store->model->device) return length_of(work);
  call.threads = 1;
  return wanted != Wanted::gradients || call.store->values->size() <= kSmall ? Length::instant : Length::brief;
}

template <class T>
std::shared_lock<std::shared_timed_mutex> lock_rates(const Call<T>& call) {
  return call.rates ? std::shared_lock(call.rates->mutex) : std::shared_lock<std::shared_timed_mutex>();
}

// A promise of what `finish` makes of the work, or that itself. Either holds the parameters against an update; the
// event loop does not wait for one that runs.
template <bool Sync, class T>
Napi::Value run_reading(Napi::Env env, const std::shared_ptr<Call<T>>& call, Length length, Work work, Finish finish) {
  if constexpr (Sync) {
    call->threads = 1;
    const auto lock = share_now(*call->store);
    const auto rates_lock = call->rates ? share_now(*call->rates) : std::shared_lock<std::shared_timed_mutex>();
    return run_inline(env, work, finish);
  } else {
    return run_job(
        env, call->threads, length, call->token,
        [call, work = std::move(work)](const Poll& poll) {
          const std::shared_lock lock(call->store->mutex);
          const auto rates_lock = lock_rates(*call);
          work(poll);
        },
        std::move(finish));
  }
}

}  // namespace innerloop
