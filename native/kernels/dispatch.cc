#include <cstdlib>
#include <stdexcept>

#include "kernels.h"

namespace innerloop {

const std::vector<std::string>& available_isas() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
      found.push_back("avx512");
    if (avx2) found.push_back("avx2");
#elif defined(__aarch64__)
    found.push_back("neon");
#endif
    found.push_back("reference");
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
const Kernels<T>& kernels() {
  static const Kernels<T>& chosen = []() -> const Kernels<T>& {
    [[maybe_unused]] const std::string& isa = active_isa();
#if defined(__x86_64__)
    if (isa == "avx512") return avx512_kernels<T>();
    if (isa == "avx2") return avx2_kernels<T>();
#elif defined(__aarch64__)
    if (isa == "neon") return neon_kernels<T>();
#endif
    return reference_kernels<T>();
  }();
  return chosen;
}

template const Kernels<float>& kernels<float>();
template const Kernels<double>& kernels<double>();

}  // namespace innerloop
