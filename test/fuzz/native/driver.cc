// Stands in for libFuzzer where there is none: mutations without coverage, decided by (seed, number) alone.
//
//     fuzz_x <seconds> <seed> [first case]        with 0 seconds exactly the first case is run, to repeat a finding
//
// The number of the case under way is kept in the file named by FUZZ_PROGRESS, because a sanitizer ends the process.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

struct Stream {  // splitmix64
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t x = state += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }
};

// Bytes of one of three characters: any, repetitive, or mostly small; of any length up to some thousands.
std::vector<std::uint8_t> make(std::uint64_t seed, std::uint64_t number) {
  Stream stream{seed * 0x2545f4914f6cdd1du + number};
  stream.next();
  std::vector<std::uint8_t> bytes(stream.next() % (number % 8 == 0 ? 16384 : 1024));
  const std::uint64_t kind = stream.next() % 3, repeated = stream.next();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::uint64_t x = stream.next();
    bytes[i] = static_cast<std::uint8_t>(kind == 0 ? x : kind == 1 ? (x % 16 ? repeated : x) : x % 251);
  }
  return bytes;
}

}  // namespace

int main(int count, char** arguments) {
  const double seconds = count > 1 ? std::atof(arguments[1]) : 10;
  const std::uint64_t seed = count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
  const std::uint64_t first = count > 3 ? std::strtoull(arguments[3], nullptr, 10) : 0;
  const char* path = std::getenv("FUZZ_PROGRESS");
  std::FILE* progress = path ? std::fopen(path, "w") : nullptr;
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t number = first;
  do {
    if (progress) {
      std::rewind(progress);
      std::fprintf(progress, "%llu\n", static_cast<unsigned long long>(number));
      std::fflush(progress);
    }
    const std::vector<std::uint8_t> made = make(seed, number++);
    // Exactly as long as it says, for the sanitizer's sake.
    const auto bytes = std::make_unique<std::uint8_t[]>(made.size());
    for (std::size_t i = 0; i < made.size(); ++i) bytes[i] = made[i];
    LLVMFuzzerTestOneInput(bytes.get(), made.size());
  } while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds);
  std::printf("%llu\n", static_cast<unsigned long long>(number - first));
}
