// Every kernel of every instruction set this machine can run, against the naive reference, over shapes that reach every
// remainder path. Prints one line a set; exits with 1 on the first difference beyond rounding.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "../../native/kernels/kernels.h"

using namespace innerloop;

namespace {

long checks = 0;
std::string where;

template <class T>
struct Check {
  const Kernels<T>& a;
  const Kernels<T>& r;
  std::mt19937 random{7};

  std::vector<T> noise(Index n, double scale = 1) {
    std::normal_distribution<double> normal;
    std::vector<T> x(n);
    for (T& v : x) v = static_cast<T>(scale * normal(random));
    return x;
  }

  // `size`: how many terms a sum has; its rounding grows with it. `scale`: of the operands, where the result may be the
  // small difference of large ones (1 - tanh², say).
  void same(const std::vector<T>& x, const std::vector<T>& y, double size, const char* what, double scale = 1e-30) {
    const double unit = sizeof(T) == 4 ? 1.2e-7 : 2.3e-16;
    double top = scale;
    for (const T v : y) top = std::max(top, std::abs(static_cast<double>(v)));
    for (std::size_t i = 0; i < x.size(); ++i) {
      ++checks;
      if (std::abs(static_cast<double>(x[i]) - static_cast<double>(y[i])) <= unit * (8 + 2 * std::sqrt(size)) * top)
        continue;
      std::printf("%s %s (%s)[%zu]: %.17g is not %.17g\n", a.name, what, where.c_str(), i, static_cast<double>(x[i]),
                  static_cast<double>(y[i]));
      std::exit(1);
    }
  }

  void products(Index M, Index N, Index K, double scale = 1e-30) {
    where = std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K);
    const Index lda = K + 3, ldb = N + 1, ldc = N + 2;
    const auto A = noise(M * lda), At = noise(K * (M + 2)), B = noise(K * ldb), Bt = noise(N * (K + 1)),
               bias = noise(N), C0 = noise(M * ldc);
    std::vector<T> scratch(N * K);
    for (const bool accumulate : {false, true}) {
      auto x = C0, y = C0;
      a.gemm_nn(M, N, K, A.data(), lda, B.data(), ldb, bias.data(), accumulate, x.data(), ldc);
      r.gemm_nn(M, N, K, A.data(), lda, B.data(), ldb, bias.data(), accumulate, y.data(), ldc);
      same(x, y, K, "gemm_nn", scale);
      x = C0, y = C0;
      a.gemm_tn(M, N, K, At.data(), M + 2, B.data(), ldb, accumulate, x.data(), ldc);
      r.gemm_tn(M, N, K, At.data(), M + 2, B.data(), ldb, accumulate, y.data(), ldc);
      same(x, y, K, "gemm_tn", scale);
      x = C0, y = C0;
      a.gemm_nt(M, N, K, A.data(), lda, Bt.data(), K + 1, accumulate, x.data(), ldc, scratch.data());
      r.gemm_nt(M, N, K, A.data(), lda, Bt.data(), K + 1, accumulate, y.data(), ldc, scratch.data());
      same(x, y, K, "gemm_nt", scale);
      // Tightly packed, as layers call them: the one-output and rank-one forms take paths of their own.
      x.assign(M * N, T(1)), y.assign(M * N, T(1));
      a.gemm_nn(M, N, K, A.data(), lda, B.data(), N, bias.data(), accumulate, x.data(), N);
      r.gemm_nn(M, N, K, A.data(), lda, B.data(), N, bias.data(), accumulate, y.data(), N);
      same(x, y, K, "packed gemm_nn", scale);
      a.gemm_tn(M, N, K, At.data(), M, B.data(), N, accumulate, x.data(), N);
      r.gemm_tn(M, N, K, At.data(), M, B.data(), N, accumulate, y.data(), N);
      same(x, y, K, "packed gemm_tn", scale);
      a.gemm_nt(M, N, K, A.data(), K, Bt.data(), K, accumulate, x.data(), N, scratch.data());
      r.gemm_nt(M, N, K, A.data(), K, Bt.data(), K, accumulate, y.data(), N, scratch.data());
      same(x, y, K, "packed gemm_nt", scale);
    }
    // Up to three products into one result: A, its transpose and A again, each with a K of its own.
    const Factors<T> factors[3] = {{A.data(), lda, 1, B.data(), ldb, K},
                                   {At.data(), 1, M + 2, B.data(), ldb, (K + 1) / 2},
                                   {A.data(), lda, 1, B.data(), ldb, 1}};
    for (int count = 0; count <= 3; ++count) {
      for (int start = 0; start < 3; ++start) {
        auto x = C0, y = C0;
        const T* b = start == 1 ? bias.data() : nullptr;
        a.gemm(M, N, factors, count, b, start == 2 ? x.data() : nullptr, x.data(), ldc);
        r.gemm(M, N, factors, count, b, start == 2 ? y.data() : nullptr, y.data(), ldc);
        same(x, y, 2 * K, "gemm", scale);
      }
    }
    auto turned = noise(K * (M + 3)), expected = turned;
    a.transpose(M, K, A.data(), lda, turned.data(), M + 3);
    r.transpose(M, K, A.data(), lda, expected.data(), M + 3);
    same(turned, expected, 0, "transpose");
    auto x = bias, y = bias;
    a.column_sums(K, N, B.data(), ldb, x.data());
    r.column_sums(K, N, B.data(), ldb, y.data());
    same(x, y, K, "column_sums", scale);
  }

  void flat(Index n) {
    where = std::to_string(n);
    const auto x = noise(n), w = noise(n), g = noise(n);
    const auto both = [&](const char* what, double size, auto f, double scale = 1e-30) {
      std::vector<T> p = w, q = w;
      f(a, p), f(r, q);
      same(p, q, size, what, scale);
    };
    both("axpy", 1, [&](const Kernels<T>& k, std::vector<T>& y) { k.axpy(n, T(0.3), x.data(), y.data()); });
    both("scale", 1, [&](const Kernels<T>& k, std::vector<T>& y) { k.scale(n, T(0.3), x.data(), y.data()); });
    both("add_scaled", 1,
         [&](const Kernels<T>& k, std::vector<T>& y) { k.add_scaled(n, x.data(), T(-0.3), g.data(), y.data()); });
    both("sub_product", 1,
         [&](const Kernels<T>& k, std::vector<T>& y) { k.sub_product(n, x.data(), g.data(), w.data(), y.data()); });
    both("negative_product", 1,
         [&](const Kernels<T>& k, std::vector<T>& y) { k.negative_product(n, x.data(), g.data(), y.data()); });
    both("sub_product_into", 1,
         [&](const Kernels<T>& k, std::vector<T>& y) { k.sub_product_into(n, x.data(), g.data(), y.data()); });
    both(
        "dot", static_cast<double>(n),
        [&](const Kernels<T>& k, std::vector<T>& y) { y.assign(1, k.dot(n, x.data(), g.data())); }, 1);
    both("adam", 1, [&](const Kernels<T>& k, std::vector<T>& y) {
      std::vector<T> m = x, v(n);
      for (Index i = 0; i < n; ++i) v[i] = g[i] * g[i];
      k.adam(n, y.data(), m.data(), v.data(), g.data(), T(0.5), T(0.9), T(0.99), T(0.01), T(1.1), T(1e-8), T(1e-4));
      y.insert(y.end(), m.begin(), m.end());
      y.insert(y.end(), v.begin(), v.end());
    });
    for (const Activation f : {Activation::relu, Activation::tanh, Activation::sigmoid, Activation::softplus}) {
      const auto z = noise(n, 3), da = noise(n), tz = noise(n), tda = noise(n);
      std::vector<T> act(n);
      r.activation_forward(f, n, z.data(), act.data());
      both("activation_forward", 1,
           [&](const Kernels<T>& k, std::vector<T>& y) { k.activation_forward(f, n, z.data(), y.data()); });
      both(
          "activation_backward", 1,
          [&](const Kernels<T>& k, std::vector<T>& y) {
            k.activation_backward(f, n, z.data(), act.data(), da.data(), y.data());
          },
          1);
      both(
          "activation_tangent_forward", 1,
          [&](const Kernels<T>& k, std::vector<T>& y) {
            k.activation_tangent_forward(f, n, z.data(), act.data(), tz.data(), y.data());
          },
          1);
      for (const T* t : {tz.data(), static_cast<const T*>(nullptr)})
        both(
            "activation_tangent_backward", 1,
            [&](const Kernels<T>& k, std::vector<T>& y) {
              k.activation_tangent_backward(f, n, z.data(), act.data(), t, da.data(), tda.data(), y.data());
            },
            1);
    }
  }

  void all() {
    for (const Index M : {1, 2, 5, 6, 7, 13})
      for (const Index N : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33, 48, 63, 64, 65, 70})
        for (const Index K : {1, 2, 9, 64}) products(M, N, K);
    // Sums so long that one of them may be small beside what it went through on the way.
    for (const Index M : {1, 5, 13})
      for (const Index N : {1, 4, 7, 20, 33}) products(M, N, 150, std::sqrt(150.0));
    for (Index n = 1; n <= 40; ++n) flat(n);
  }
};

template <class T>
void check(const Kernels<T>& kernels, const char* scalar) {
  const long before = checks;
  Check<T>{kernels, reference_kernels<T>()}.all();
  std::printf("%s %s: %ld values agree\n", kernels.name, scalar, checks - before);
}

}  // namespace

int main() {
  for (const std::string& isa : available_isas()) {
    if (isa == "reference") continue;
    check(kernels_of<float>(isa), "float32");
    check(kernels_of<double>(isa), "float64");
  }
  return checks > 0 ? 0 : 1;
}
