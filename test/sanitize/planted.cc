// Bugs on purpose, run when the library is loaded: a sanitizer that does not report them would report nothing else
// either.
#include <cstdlib>
#include <thread>
#include <vector>

namespace {
#if defined(__SANITIZE_THREAD__)
volatile long shared = 0;
const bool planted = [] {
  const auto add = [] {
    for (int i = 0; i < 100000; ++i) shared = shared + 1;
  };
  std::thread a(add), b(add);
  a.join(), b.join();
  return true;
}();
#else
const bool planted = [] {
  volatile int size = 4;
  std::vector<char> bytes(size);
  return static_cast<volatile char*>(bytes.data())[size] != 0;
}();
#endif
}  // namespace
