// One pool for the process. A driver (one asynchronous call from JavaScript) runs on a pool thread and may fan out with
// parallel_for, in which it takes part itself: any number of concurrent drivers makes progress on any number of threads.
// Idle threads sleep, each on a condition variable of its own; the one that slept last is called first, because its arena
// and its processor are warm.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels.h"

namespace innerloop {

// While it lives, numbers below the normal range are 0 on this thread: decaying moments and saturated activations would
// otherwise fall into the slow path of the floating-point unit. Pool threads always have one.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;

 private:
  std::uint64_t before_;
};

class ThreadPool {
 public:
  // Never destroyed: threads may still run while the process exits.
  static ThreadPool& instance();

  // Hardware threads, at least 1: the default of every `threads` option.
  static int hardware_threads();

  // Runs `driver` on a pool thread; the pool has at least `threads` threads afterwards.
  void submit(std::function<void()> driver, int threads);

  // Calls body(i) for i in [0, count) on up to `threads` threads, this one included; returns when all are done. The
  // first exception stops further indices and is rethrown here. Which thread takes which index is not fixed.
  void parallel_for(Index count, int threads, const std::function<void(Index)>& body);

 private:
  struct Loop;
  struct Worker;
  void ensure(int threads);
  Worker* take_idle();
  void work();

  std::mutex mutex_;
  std::deque<std::function<void()>> queue_;
  std::vector<Worker*> idle_;  // asleep, with nothing in the queue for them
  int threads_ = 0;
};

}  // namespace innerloop
