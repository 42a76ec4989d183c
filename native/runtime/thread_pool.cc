#include "thread_pool.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <utility>
#if defined(__linux__) && !defined(__ANDROID__)
#include <pthread.h>
#include <sched.h>
#define INNERLOOP_AFFINITY 1
#endif
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace innerloop {
namespace {

// Rounds of waiting awake before a thread falls asleep: some 30 µs.
constexpr int kSpins = 1000;
void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("isb");
#endif
}

// Keeps a sleeping thread off the waker's processor until it has woken. In a virtual machine Linux takes a halted
// processor for one that is in use elsewhere and puts the woken thread behind its waker, where it waits for a time
// slice: longer than most calls take, which then run on one thread.
class WakeElsewhere {
 public:
#if defined(INNERLOOP_AFFINITY)
  // Called by the waker.
  void restrict_to_others() {
    cpu_set_t others;
    const int here = sched_getcpu();
    if (here < 0 || here >= CPU_SETSIZE || pthread_getaffinity_np(thread_, sizeof allowed_, &allowed_) != 0) return;
    others = allowed_;
    CPU_CLR(here, &others);
    restricted_ = CPU_COUNT(&others) > 0 && pthread_setaffinity_np(thread_, sizeof others, &others) == 0;
  }
  // Called by the woken thread.
  void restore() {
    if (restricted_) pthread_setaffinity_np(thread_, sizeof allowed_, &allowed_);
    restricted_ = false;
  }

 private:
  const pthread_t thread_ = pthread_self();
  cpu_set_t allowed_;  // before it was restricted
  bool restricted_ = false;
#else
  void restrict_to_others() {}
  void restore() {}
#endif
};

#if defined(__x86_64__)
std::uint64_t control() { return _mm_getcsr(); }
void set_control(std::uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
constexpr std::uint64_t kFlush = 0x8040;  // flush to zero, denormals are zero
#elif defined(__aarch64__)
std::uint64_t control() {
  std::uint64_t value;
  __asm__ volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_control(std::uint64_t value) { __asm__ volatile("msr fpcr, %0" : : "r"(value)); }
constexpr std::uint64_t kFlush = std::uint64_t{1} << 24;
#else
std::uint64_t control() { return 0; }
void set_control(std::uint64_t) {}
constexpr std::uint64_t kFlush = 0;
#endif

// Whether this thread is at work on something brief: helpers of a brief driver are brief too.
thread_local bool runs_brief = false;

}  // namespace

FlushDenormals::FlushDenormals() : before_(control()) { set_control(before_ | kFlush); }
FlushDenormals::~FlushDenormals() { set_control(before_); }

// One thread of the pool, on its own stack; it never ends.
struct ThreadPool::Worker {
  void call() {
    {
      std::lock_guard lock(mutex);
      called = true;
    }
    wake.notify_one();  // once the lock is free, or the thread would wake to wait for it
  }
  void sleep() {
    std::unique_lock lock(mutex);
    wake.wait(lock, [this] { return called; });
    called = false;
    elsewhere.restore();
  }

  WakeElsewhere elsewhere;

 private:
  std::mutex mutex;
  std::condition_variable wake;
  bool called = false;
};

struct ThreadPool::Loop {
  Loop(Index count, const std::function<void(Index)>& body) : count(count), body(body) {}
  const Index count;
  const std::function<void(Index)>& body;  // outlives every entry: parallel_for returns only when active is 0
  std::atomic<Index> next{0};
  std::mutex mutex;
  std::condition_variable idle;
  std::atomic<int> active{0};  // changed under the lock
  bool closed = false;
  std::exception_ptr failure;

  // Returns once no thread is at work. It waits awake at first, because what is left of a loop is often shorter than it
  // takes to fall asleep and wake.
  void wait() {
    for (int i = 0; i < kSpins && active.load(std::memory_order_acquire) > 0; ++i) pause();
    std::unique_lock lock(mutex);
    closed = true;  // entries still queued become no-ops
    idle.wait(lock, [this] { return active == 0; });
  }

  void take_part() {
    {
      std::lock_guard lock(mutex);
      if (closed) return;
      ++active;
    }
    try {
      for (Index i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next.store(count, std::memory_order_relaxed);
    }
    std::lock_guard lock(mutex);
    if (--active == 0) idle.notify_all();
  }
};

ThreadPool& ThreadPool::instance() {
  static ThreadPool* pool = new ThreadPool;
  return *pool;
}

int ThreadPool::hardware_threads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

void ThreadPool::ensure(int threads) {
  for (; threads_ < threads; ++threads_) std::thread([this] { work(); }).detach();
}

// The lock is held.
ThreadPool::Worker* ThreadPool::take_idle() {
  if (idle_.empty()) return nullptr;
  Worker* worker = idle_.back();
  idle_.pop_back();
  return worker;
}

// The lock is held. Called wherever a brief driver may have come to wait behind long ones. As many lanes as threads: a
// lane's calls may wait for the system, or take longer than was thought.
void ThreadPool::open_lane() {
  if (!waits_behind_long()) return;
  if (idle_lanes_ > 0)
    lane_wake_.notify_one();
  else if (lanes_ < threads_)
    ++lanes_, std::thread([this] { lane(); }).detach();
}

// The lock is held.
ThreadPool::Entry ThreadPool::take(std::deque<Entry>::iterator entry) {
  Entry taken = std::move(*entry);
  queue_.erase(entry);
  if (taken.drives && taken.brief) --waiting_briefs_;
  return taken;
}

void ThreadPool::make_brief(const void* owner) {
  std::lock_guard lock(mutex_);
  for (Entry& entry : queue_) {
    if (entry.owner != owner || entry.brief) continue;
    entry.brief = true;
    ++waiting_briefs_;
  }
  open_lane();
}

std::int64_t ThreadPool::handed_over() {
  std::lock_guard lock(mutex_);
  return handed_over_;
}

void ThreadPool::submit(std::function<void()> driver, int threads, bool brief, const void* owner) {
  Worker* worker;
  {
    std::lock_guard lock(mutex_);
    ensure(threads);
    queue_.push_back({.run = std::move(driver), .drives = true, .brief = brief, .owner = owner});
    if (brief) ++waiting_briefs_;
    open_lane();
    if (lingering_ == kLingers) {
      lingering_.store(kCalled, std::memory_order_release);
      worker = nullptr;
    } else {
      worker = take_idle();
    }
  }
  if (worker) worker->call();
}

void ThreadPool::parallel_for(Index count, int threads, const std::function<void(Index)>& body) {
  const int helpers = static_cast<int>(std::min<Index>(threads, count)) - 1;
  if (helpers <= 0) {
    for (Index i = 0; i < count; ++i) body(i);
    return;
  }
  const auto loop = std::make_shared<Loop>(count, body);
  std::vector<Worker*> workers;
  {
    std::lock_guard lock(mutex_);
    for (int i = 0; i < helpers; ++i) {
      // Before waiting drivers: finishing what has begun keeps memory in flight low.
      queue_.push_front({.run = [loop] { loop->take_part(); }, .drives = false, .brief = runs_brief, .owner = nullptr});
      if (Worker* worker = take_idle()) workers.push_back(worker);
    }
  }
  for (Worker* worker : workers) {
    worker->elsewhere.restrict_to_others();
    worker->call();
  }
  loop->take_part();
  loop->wait();
  if (loop->failure) std::rethrow_exception(loop->failure);
}

// The lock is not held, and no other thread lingers.
void ThreadPool::linger(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(std::min(seconds, 200e-6));
  while (lingering_.load(std::memory_order_acquire) == kLingers && Clock::now() < end)
    for (int i = 0; i < 8; ++i) pause();
}

void ThreadPool::work() {
  using Clock = std::chrono::steady_clock;
  double patience = 0;  // seconds
  const bool threads_to_spare = hardware_threads() > 1;
  const FlushDenormals flush;
  Worker self;
  std::unique_lock lock(mutex_);
  for (;;) {
    if (queue_.empty() && patience > 0 && lingering_ == kNobody) {
      lingering_ = kLingers;
      lock.unlock();
      linger(std::exchange(patience, 0));
      lock.lock();
      lingering_ = kNobody;
      continue;
    }
    if (queue_.empty()) {
      idle_.push_back(&self);
      lock.unlock();
      self.sleep();
      lock.lock();
      continue;
    }
    Entry entry = take(queue_.begin());
    runs_brief = entry.brief;
    if (!entry.brief) {
      ++long_;
      open_lane();
    }
    lock.unlock();
    const auto start = Clock::now();
    entry.run();
    entry.run = nullptr;
    patience = entry.drives && threads_to_spare ? std::chrono::duration<double>(Clock::now() - start).count() / 4 : 0;
    lock.lock();
    if (!runs_brief) --long_;
  }
}

void ThreadPool::lane() {
  const FlushDenormals flush;
  runs_brief = true;
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_lanes_;
    lane_wake_.wait(lock, [this] { return waits_behind_long(); });
    --idle_lanes_;
    Entry entry = take(std::find_if(queue_.begin(), queue_.end(), [](const Entry& e) { return e.drives && e.brief; }));
    ++handed_over_;
    open_lane();
    lock.unlock();
    entry.run();
    entry.run = nullptr;
    lock.lock();
  }
}

}  // namespace innerloop
