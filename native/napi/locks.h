// Holding stores of parameters on the event loop's thread, which must not wait for a running job: a store in use
// refuses.
#pragma once
#include <mutex>
#include <shared_mutex>

#include "../meta/store.h"
#include "../runtime/errors.h"
#include "handle.h"

namespace innerloop {

template <class Lock, class T>
Lock lock_now(const Store<T>& store) {
  Lock lock(store.mutex, std::try_to_lock);
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
  return lock_now<std::shared_lock<std::shared_mutex>>(store);
}
template <class T>
auto own_now(const Store<T>& store) {
  return lock_now<std::unique_lock<std::shared_mutex>>(store);
}

}  // namespace innerloop
