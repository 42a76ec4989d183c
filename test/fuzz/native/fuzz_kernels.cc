// Every kernel of every instruction set against the reference, on shapes, strides and numbers that the input decides.
// All arrays are exactly as long as the kernel may assume, so that a sanitizer sees what is read or written beyond
// them.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace innerloop {
namespace {

struct Input {
  const std::uint8_t* data;
  std::size_t size, at = 0;
  std::uint8_t byte() { return at < size ? data[at++] : 0; }
  Index length(Index most) { return 1 + byte() % most; }

  // Mostly moderate numbers, which sum without overflow in any order; now and then one that is none.
  template <class T>
  std::vector<T> numbers(Index n, bool finite = false) {
    std::vector<T> x(static_cast<std::size_t>(n));
    for (T& value : x) {
      const std::uint8_t b = byte();
      switch (finite && b > 252 ? 0 : b) {
        case 255:
          value = std::numeric_limits<T>::quiet_NaN();
          break;
        case 254:
          value = std::numeric_limits<T>::infinity();
          break;
        case 253:
          value = -std::numeric_limits<T>::infinity();
          break;
        case 252:
          value = std::numeric_limits<T>::denorm_min();
          break;
        case 251:
          value = T(-0.0);
          break;
        default:
          value = static_cast<T>((b - 125) / 50.0);
      }
    }
    return x;
  }
};

[[noreturn]] void fail(const char* isa, const char* what, Index i, double got, double expected) {
  std::fprintf(stderr, "%s %s: [%lld] is %.17g, the reference has %.17g\n", isa, what, static_cast<long long>(i), got,
               expected);
  std::abort();
}

template <class T>
void same(const Kernels<T>& k, const char* what, const std::vector<T>& x, const std::vector<T>& y, double size) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double a = x[i], b = y[i];
    // A sum with something infinite or undefined in it is so in any order, though not always the same of the two.
    if (!std::isfinite(b) || !std::isfinite(a)) {
      if (std::isfinite(a) != std::isfinite(b)) fail(k.name, what, static_cast<Index>(i), a, b);
      continue;
    }
    const double allowed = 40 * (size + 4) * std::numeric_limits<T>::epsilon() * (std::abs(b) + 8);
    if (!(std::abs(a - b) <= allowed)) fail(k.name, what, static_cast<Index>(i), a, b);
  }
}

template <class T>
void products(Input& in, const Kernels<T>& k, const Kernels<T>& r, int which) {
  const Index M = in.length(19), N = in.length(70), K = in.length(40);
  const Index pa = in.byte() % 3, pb = in.byte() % 3, pc = in.byte() % 3;
  const bool accumulate = in.byte() & 1;
  const auto strided = [&](Index rows, Index stride, Index used) { return in.numbers<T>((rows - 1) * stride + used); };
  const auto C = strided(M, N + pc, N);
  auto x = C, y = C;
  if (which == 0) {
    const auto A = strided(M, K + pa, K), B = strided(K, N + pb, N);
    const auto bias = in.numbers<T>(N);
    const T* b = in.byte() & 1 ? bias.data() : nullptr;
    k.gemm_nn(M, N, K, A.data(), K + pa, B.data(), N + pb, b, accumulate, x.data(), N + pc);
    r.gemm_nn(M, N, K, A.data(), K + pa, B.data(), N + pb, b, accumulate, y.data(), N + pc);
  } else if (which == 1) {
    const auto A = strided(K, M + pa, M), B = strided(K, N + pb, N);
    k.gemm_tn(M, N, K, A.data(), M + pa, B.data(), N + pb, accumulate, x.data(), N + pc);
    r.gemm_tn(M, N, K, A.data(), M + pa, B.data(), N + pb, accumulate, y.data(), N + pc);
  } else if (which == 2) {
    const auto A = strided(M, K + pa, K), B = strided(N, K + pb, K);
    std::vector<T> s(static_cast<std::size_t>(N * K)), t = s;
    k.gemm_nt(M, N, K, A.data(), K + pa, B.data(), K + pb, accumulate, x.data(), N + pc, s.data());
    r.gemm_nt(M, N, K, A.data(), K + pa, B.data(), K + pb, accumulate, y.data(), N + pc, t.data());
  } else if (which == 3) {
    const auto A = strided(M, K + pa, K), At = strided(K, M + pa, M), B = strided(K, N + pb, N);
    const Factors<T> f[2] = {{A.data(), K + pa, 1, B.data(), N + pb, K}, {At.data(), 1, M + pa, B.data(), N + pb, K}};
    const int count = in.byte() % 3;
    k.gemm(M, N, f, count, nullptr, accumulate ? x.data() : nullptr, x.data(), N + pc);
    r.gemm(M, N, f, count, nullptr, accumulate ? y.data() : nullptr, y.data(), N + pc);
  } else {
    const auto A = strided(M, N + pa, N);
    x = y = strided(N, M + pc, M);
    k.transpose(M, N, A.data(), N + pa, x.data(), M + pc);
    r.transpose(M, N, A.data(), N + pa, y.data(), M + pc);
  }
  static constexpr const char* names[] = {"gemm_nn", "gemm_tn", "gemm_nt", "gemm", "transpose"};
  same(k, names[which], x, y, static_cast<double>(which == 3 ? 2 * K : K));
}

template <class T>
void flat(Input& in, const Kernels<T>& k, const Kernels<T>& r, int which) {
  const Index n = in.length(130);
  // Behind a relu that is off the reference multiplies an adjoint by 0 and the others drop it: the same if it is
  // finite.
  const bool derivative = which > 8;
  const auto x = in.numbers<T>(n), w = in.numbers<T>(n, derivative), g = in.numbers<T>(n, derivative);
  const T a = in.numbers<T>(1)[0];
  const auto both = [&](const char* what, auto f, double size = 1) {
    auto p = w, q = w;
    f(k, p), f(r, q);
    same(k, what, p, q, size);
  };
  const auto f = static_cast<Activation>(in.byte() % 4);
  std::vector<T> act(static_cast<std::size_t>(n));
  r.activation_forward(f, n, x.data(), act.data());
  switch (which) {
    case 0:
      return both("axpy", [&](const Kernels<T>& f, auto& y) { f.axpy(n, a, x.data(), y.data()); });
    case 1:
      return both("scale", [&](const Kernels<T>& f, auto& y) { f.scale(n, a, x.data(), y.data()); });
    case 2:
      return both("add_scaled",
                  [&](const Kernels<T>& f, auto& y) { f.add_scaled(n, x.data(), a, g.data(), y.data()); });
    case 3:
      return both("sub_product",
                  [&](const Kernels<T>& f, auto& y) { f.sub_product(n, x.data(), g.data(), w.data(), y.data()); });
    case 4:
      return both("negative_product",
                  [&](const Kernels<T>& f, auto& y) { f.negative_product(n, x.data(), g.data(), y.data()); });
    case 5:
      return both("sub_product_into",
                  [&](const Kernels<T>& f, auto& y) { f.sub_product_into(n, x.data(), g.data(), y.data()); });
    case 6:
      return both(
          "dot", [&](const Kernels<T>& f, auto& y) { y.assign(1, f.dot(n, x.data(), g.data())); },
          static_cast<double>(n));
    case 7: {
      const Index rows = in.length(9);
      const auto A = in.numbers<T>(rows * n);
      return both(
          "column_sums", [&](const Kernels<T>& f, auto& y) { f.column_sums(rows, n, A.data(), n, y.data()); },
          static_cast<double>(rows));
    }
    case 8:
      return both("activation_forward",
                  [&](const Kernels<T>& kernels, auto& y) { kernels.activation_forward(f, n, x.data(), y.data()); });
    case 9:
      return both("activation_backward", [&](const Kernels<T>& kernels, auto& y) {
        kernels.activation_backward(f, n, x.data(), act.data(), g.data(), y.data());
      });
    case 10:
      return both("activation_tangent_forward", [&](const Kernels<T>& kernels, auto& y) {
        kernels.activation_tangent_forward(f, n, x.data(), act.data(), g.data(), y.data());
      });
    default: {
      const T* tz = in.byte() & 1 ? g.data() : nullptr;
      return both("activation_tangent_backward", [&](const Kernels<T>& kernels, auto& y) {
        kernels.activation_tangent_backward(f, n, x.data(), act.data(), tz, w.data(), g.data(), y.data());
      });
    }
  }
}

template <class T>
void one(Input in, const Kernels<T>& k) {
  const int which = in.byte() % 17;
  if (which < 5)
    products<T>(in, k, reference_kernels<T>(), which);
  else
    flat<T>(in, k, reference_kernels<T>(), which - 5);
}

}  // namespace
}  // namespace innerloop

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace innerloop;
  const Input in{data, size};
  for (const std::string& isa : available_isas())
    if (isa != "reference") one<float>(in, kernels_of<float>(isa)), one<double>(in, kernels_of<double>(isa));
  return 0;
}
