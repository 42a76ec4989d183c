// Locks stores of parameters on the event loop's thread. That thread must not wait for a running job, so a call on a
// store in use is refused.
#pragma once
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "../meta/store.h"
#include "../runtime/errors.h"
#include "handle.h"

namespace innerloop {

template <class Lock, class Mutex>
Lock lock_now(Mutex& mutex) {
  Lock lock(mutex, std::try_to_lock);
  if (!lock.owns_lock()) throw Error("INVALID_OPTION", "these parameters are in use by a running call");
  return lock;
}

// Tells the garbage collector what a store has come to take, unless a job is changing that now.
template <class T>
void tell_size(const Napi::Value& handle) {
  Holder<Store<T>>& holder = holder_of<Store<T>>(handle);
  if (!holder.x) return;
  const std::shared_lock lock(holder.x->mutex, std::try_to_lock);
  if (lock.owns_lock()) holder.tell(handle.Env());
}

template <class T>
auto share_now(const Store<T>& store) {
  return lock_now<std::shared_lock<std::shared_timed_mutex>>(store.mutex);
}
// A running training step, which may only be reading, refuses too: it goes on from what it has read.
template <class T>
auto own_now(const Store<T>& store) {
  return std::pair(lock_now<std::unique_lock<std::timed_mutex>>(store.updating),
                   lock_now<std::unique_lock<std::shared_timed_mutex>>(store.mutex));
}

}  // namespace innerloop
