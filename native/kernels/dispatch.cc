// Every instruction set: when a machine has it, and its kernels. A new one is a declaration and an entry here. A quick
// build (CMakeLists.txt) leaves out one that this machine does not need.
#include <cstdlib>
#include <stdexcept>

#include "kernels.h"

namespace innerloop {

#if defined(__x86_64__)
template <class T>
const Kernels<T>& avx512_kernels();
template <class T>
const Kernels<T>& avx2_kernels();
#elif defined(__aarch64__)
template <class T>
const Kernels<T>& neon_kernels();
#endif

namespace {

struct InstructionSet {
  std::string name;
  bool here;  // whether this machine has it
  const Kernels<float>& (*float32)();
  const Kernels<double>& (*float64)();
  const Kernels<float>& of(float) const { return float32(); }
  const Kernels<double>& of(double) const { return float64(); }
};

// The list is in order of preference, best first.
const std::vector<InstructionSet>& instruction_sets() {
  static const std::vector<InstructionSet> sets = [] {
    std::vector<InstructionSet> all;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
#if defined(INNERLOOP_WITHOUT_AVX512)
    (void)avx512;
#else
    all.push_back({"avx512", avx512, avx512_kernels<float>, avx512_kernels<double>});
#endif
#if !defined(INNERLOOP_WITHOUT_AVX2)
    all.push_back({"avx2", avx2, avx2_kernels<float>, avx2_kernels<double>});
#endif
#elif defined(__aarch64__)
    all.push_back({"neon", true, neon_kernels<float>, neon_kernels<double>});
#endif
    all.push_back({"reference", true, reference_kernels<float>, reference_kernels<double>});
    return all;
  }();
  return sets;
}

}  // namespace

const std::vector<std::string>& available_isas() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found;
    for (const InstructionSet& set : instruction_sets())
      if (set.here) found.push_back(set.name);
    return found;
  }();
  return names;
}

const std::string& active_isa() {
  static const std::string name = [] {
    const char* wanted = std::getenv("INNERLOOP_ISA");
    if (!wanted || !*wanted) return available_isas().front();
    std::string list;
    for (const std::string& isa : available_isas()) {
      if (isa == wanted) return isa;
      list += (list.empty() ? "" : ", ") + isa;
    }
    throw std::invalid_argument("INNERLOOP_ISA=" + std::string(wanted) + "; this machine has " + list);
  }();
  return name;
}

template <class T>
const Kernels<T>& kernels_of(const std::string& isa) {
  for (const InstructionSet& set : instruction_sets())
    if (set.here && set.name == isa) return set.of(T());
  throw std::invalid_argument("this machine has no " + isa);
}

template <class T>
const Kernels<T>& kernels() {
  static const Kernels<T>& chosen = kernels_of<T>(active_isa());
  return chosen;
}

template const Kernels<float>& kernels_of<float>(const std::string&);
template const Kernels<double>& kernels_of<double>(const std::string&);
template const Kernels<float>& kernels<float>();
template const Kernels<double>& kernels<double>();

}  // namespace innerloop
