// The pool's lanes, by counting who took what: long drivers that do not end until brief ones behind them have. Without
// lanes this program never ends.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "../../native/runtime/thread_pool.h"

using innerloop::ThreadPool;

namespace {

// A number that threads wait for.
class Count {
 public:
  void add() {
    const std::lock_guard lock(mutex_);
    ++n_;
    changed_.notify_all();
  }
  void wait(int n) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return n_ >= n; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int n_ = 0;
};

int failures = 0;
void check(bool good, const char* what) {
  std::printf("%s: %s\n", good ? "ok" : "FAILED", what);
  if (!good) ++failures;
}

}  // namespace

int main() {
  constexpr int kThreads = 2, kBriefs = 100;
  ThreadPool& pool = ThreadPool::instance();
  Count working, brief_done, let_go, long_done;
  const auto long_driver = [&] {
    working.add();
    let_go.wait(1);
    long_done.add();
  };

  // Every thread at work on something long, and a long one waiting.
  for (int i = 0; i < kThreads; ++i) pool.submit(long_driver, kThreads, false, nullptr);
  working.wait(kThreads);
  int owner = 0;
  std::atomic<bool> aborted{false};
  pool.submit([&] { long_driver(); }, kThreads, false, nullptr);
  pool.submit(
      [&] {
        aborted = true;
        brief_done.add();
      },
      kThreads, false, &owner);
  check(pool.handed_over() == 0, "nothing brief waits, nothing is handed over");

  for (int i = 0; i < kBriefs; ++i) pool.submit([&] { brief_done.add(); }, kThreads, true, nullptr);
  brief_done.wait(kBriefs);
  check(pool.handed_over() == kBriefs, "every brief driver was handed over past the long ones");
  check(!aborted, "a long driver that waits is not handed over");

  pool.make_brief(&owner);
  brief_done.wait(kBriefs + 1);
  check(aborted && pool.handed_over() == kBriefs + 1, "until it was aborted");

  // A loop of a brief driver, which has threads of its own or runs alone.
  pool.submit(
      [&] {
        std::atomic<int> sum{0};
        pool.parallel_for(10, 4, [&](innerloop::Index i) { sum += static_cast<int>(i); });
        check(sum == 45, "a loop within a brief driver ends while all threads are at work");
        brief_done.add();
      },
      kThreads, true, nullptr);
  brief_done.wait(kBriefs + 2);

  let_go.add();
  long_done.wait(kThreads + 1);

  // With a thread to spare nothing need be handed over, and in a quiet pool nothing is.
  const auto before = pool.handed_over();
  Count quiet;
  for (int i = 0; i < kBriefs; ++i) {
    pool.submit([&] { quiet.add(); }, kThreads, true, nullptr);
    quiet.wait(i + 1);
  }
  check(pool.handed_over() - before <= 2, "threads that are free take brief drivers themselves");
  return failures;
}
