#include "thread_pool.h"

#include <algorithm>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace innerloop {
namespace {

// Numbers below the normal range become 0 on pool threads: decaying moments and saturated activations would otherwise fall
// into the slow path of the floating-point unit.
void flush_denormals() {
#if defined(__x86_64__)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // flush to zero, denormals are zero
#elif defined(__aarch64__)
  std::uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  __asm__ volatile("msr fpcr, %0" : : "r"(control | (std::uint64_t{1} << 24)));
#endif
}

}  // namespace

struct ThreadPool::Loop {
  Loop(Index count, const std::function<void(Index)>& body) : count(count), body(body) {}
  const Index count;
  const std::function<void(Index)>& body;  // outlives every entry: parallel_for returns only when active is 0
  std::atomic<Index> next{0};
  std::mutex mutex;
  std::condition_variable idle;
  int active = 0;
  bool closed = false;
  std::exception_ptr failure;

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

void ThreadPool::submit(std::function<void()> driver, int threads) {
  {
    std::lock_guard lock(mutex_);
    ensure(threads);
    queue_.push_back(std::move(driver));
  }
  wake_.notify_one();
}

void ThreadPool::parallel_for(Index count, int threads, const std::function<void(Index)>& body) {
  const int helpers = static_cast<int>(std::min<Index>(threads, count)) - 1;
  if (helpers <= 0) {
    for (Index i = 0; i < count; ++i) body(i);
    return;
  }
  const auto loop = std::make_shared<Loop>(count, body);
  {
    std::lock_guard lock(mutex_);
    // Before waiting drivers: finishing what has begun keeps memory in flight low.
    for (int i = 0; i < helpers; ++i) queue_.push_front([loop] { loop->take_part(); });
  }
  for (int i = 0; i < helpers; ++i) wake_.notify_one();
  loop->take_part();
  std::unique_lock lock(loop->mutex);
  loop->closed = true;  // entries still queued become no-ops
  loop->idle.wait(lock, [&] { return loop->active == 0; });
  if (loop->failure) std::rethrow_exception(loop->failure);
}

void ThreadPool::work() {
  flush_denormals();
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return !queue_.empty(); });
    std::function<void()> entry = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    entry();
    entry = nullptr;
    lock.lock();
  }
}

}  // namespace innerloop
