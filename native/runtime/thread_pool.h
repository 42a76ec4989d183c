// One pool for the process. A driver (one asynchronous call from JavaScript) runs on a pool thread and may fan out with
// parallel_for, in which it takes part itself: any number of concurrent drivers makes progress on any number of
// threads. Idle threads sleep, each on a condition variable of its own; the one that slept last is called first,
// because its arena and its processor are warm. The thread that has driven a call lingers before it sleeps, for a
// quarter of the time that the call took and at most 200 µs: the next call of a series then finds it awake, where to
// wake it may take as long.
//
// A brief call does not wait for long ones unless every lane is taken too. While every thread of the pool is at work on
// long calls, a lane, a thread of its own, takes the brief ones from the queue in their order, and the system shares
// the processors out.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "index.h"

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

  // Runs `driver` on a pool thread; the pool has at least `threads` threads afterwards. `brief`: the driver takes some
  // milliseconds at most. `owner` is what `make_brief` knows it by, or null.
  void submit(std::function<void()> driver, int threads, bool brief, const void* owner);
  // The drivers of this owner that wait have become brief: they were aborted and have only to say so.
  void make_brief(const void* owner);
  // Drivers that lanes have taken past long ones so far.
  std::int64_t handed_over();

  // Threads for a loop of so many element operations in all: to wake one takes as long as some hundred thousand of
  // them.
  static int threads_for(int threads, Index elements) { return elements < (Index{1} << 19) ? 1 : threads; }

  // Calls body(i) for i in [0, count) on up to `threads` threads, this one included; returns when all are done. The
  // first exception stops further indices and is rethrown here. Which thread takes which index is not fixed.
  void parallel_for(Index count, int threads, const std::function<void(Index)>& body);

 private:
  struct Loop;
  struct Worker;
  struct Entry {
    std::function<void()> run;
    bool drives, brief;
    const void* owner;
  };
  enum Linger : int { kNobody = 0, kLingers = 1, kCalled = 2 };
  void linger(double seconds);
  void ensure(int threads);
  Worker* take_idle();
  void work();
  void lane();
  bool waits_behind_long() const { return long_ == threads_ && waiting_briefs_ > 0; }
  void open_lane();
  Entry take(std::deque<Entry>::iterator entry);

  std::mutex mutex_;
  std::deque<Entry> queue_;
  std::vector<Worker*> idle_;   // asleep, with nothing in the queue for them
  int threads_ = 0, long_ = 0;  // threads, and those at work on what is not brief
  int waiting_briefs_ = 0;      // brief drivers in the queue
  std::condition_variable lane_wake_;
  int lanes_ = 0, idle_lanes_ = 0;
  std::int64_t handed_over_ = 0;
  std::atomic<int> lingering_{kNobody};  // changed under the lock
};

}  // namespace innerloop
