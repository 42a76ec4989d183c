// Every kernel of every instruction set this machine can run, against the naive reference, over shapes that reach every
// remainder path. Prints one line a set; exits with 1 on the first difference beyond rounding.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "../../native/kernels/kernels.h"
#include "../../native/solvers/cholesky.h"

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

  void equal(const std::vector<T>& x, const std::vector<T>& y, const char* what) {
    ++checks;
    if (x == y) return;
    std::printf("%s %s (%s): not the same bits\n", a.name, what, where.c_str());
    std::exit(1);
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

  // Kernels over rows of n numbers.
  void rows(Index n) {
    where = std::to_string(n);
    constexpr Index R = 7, cardinality = 5, ld = 45;
    const std::int32_t at[R] = {3, 0, 4, 3, 3, 1, 0};
    const auto table = noise(cardinality * n), wide = noise(R * ld), x = noise(R * n), y = noise(R * n), s = noise(R);
    const auto both = [&](const char* what, const std::vector<T>& start, auto f) {
      std::vector<T> p = start, q = start;
      f(a, p), f(r, q);
      same(p, q, static_cast<double>(n), what, std::sqrt(static_cast<double>(n)));
    };
    both("gather_rows", wide,
         [&](const Kernels<T>& k, std::vector<T>& to) { k.gather_rows(R, n, table.data(), at, to.data(), ld); });
    both("scatter_rows", table,
         [&](const Kernels<T>& k, std::vector<T>& to) { k.scatter_rows(R, n, wide.data(), ld, at, to.data()); });
    for (const bool accumulate : {false, true}) {
      both("row_dots", s, [&](const Kernels<T>& k, std::vector<T>& to) {
        k.row_dots(R, n, x.data(), y.data(), accumulate, to.data());
      });
      both("scale_rows", y, [&](const Kernels<T>& k, std::vector<T>& to) {
        k.scale_rows(R, n, s.data(), x.data(), accumulate, to.data());
      });
      // The last feature of three has no vector, the first no derivative.
      both("weighted_sum", x, [&](const Kernels<T>& k, std::vector<T>& to) {
        const T *v[3] = {y.data(), y.data() + 2 * n, nullptr}, *u[3] = {table.data(), table.data() + n, table.data()};
        to.push_back(k.weighted_sum(n, 3, v, u, s.data(), accumulate, to.data()));
      });
      both("spread_pairs", y, [&](const Kernels<T>& k, std::vector<T>& to) {
        const T *v[3] = {x.data(), x.data() + n, x.data() + 2 * n}, *w[3] = {table.data(), nullptr, table.data() + n};
        T* const into[3] = {nullptr, to.data(), to.data() + n};
        k.spread_pairs(n, 3, s.data(), T(0.3), x.data() + 3 * n, v, T(-0.7), accumulate ? x.data() + 4 * n : nullptr, w,
                       into);
      });
    }
    row_pairs(n);
    // A Aᵀ + 1, in rows further apart than it is wide.
    const auto A = noise(n * n);
    std::vector<T> m(n * (n + 3), T(7)), scratch(n * (n + 15));
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j <= i; ++j) m[i * (n + 3) + j] = r.dot(n, &A[i * n], &A[j * n]) + (i == j ? T(1) : T(0));
    both("cholesky_block", m, [&](const Kernels<T>& k, std::vector<T>& to) {
      to.push_back(k.cholesky_block(n, to.data(), n + 3, scratch.data()) ? T(1) : T(0));
    });
    m[(n - 1) * (n + 4)] = T(-1);
    both("cholesky_block of what is not positive", {T(0)}, [&](const Kernels<T>& k, std::vector<T>& to) {
      std::vector<T> copy = m;
      to[0] = k.cholesky_block(n, copy.data(), n + 3, scratch.data()) ? T(1) : T(0);
    });
    recurrent(n);
  }

  // Rows with a feature of each of three tables, of which the last has no vector and the first no derivative.
  void row_pairs(Index n) {
    constexpr Index R = 7, cardinality = 5;
    const std::int32_t first[R] = {3, 0, 4, 3, 3, 1, 0}, second[R] = {1, 1, 0, 2, 4, 0, 3},
                       third[R] = {2, 2, 2, 2, 2, 2, 0};
    const std::int32_t* const at[3] = {first, second, third};
    const auto tables = noise(3 * cardinality * n), others = noise(3 * cardinality * n), with = noise(R * n),
               s = noise(R * n), t = noise(R * n), da = noise(R), db = noise(R);
    const auto of = [&](const auto& x, Index j) { return x.data() + j * cardinality * n; };
    const auto both = [&](const char* what, const std::vector<T>& start, auto f) {
      std::vector<T> p = start, q = start;
      f(a, p), f(r, q);
      same(p, q, static_cast<double>(n), what, std::sqrt(static_cast<double>(n)));
    };
    const T *v[3] = {of(tables, 0), of(tables, 1), nullptr}, *u[3] = {of(others, 0), of(others, 1), of(others, 2)};
    for (const bool with_itself : {false, true})
      both("row_pairs", std::vector<T>(R * n + R, T(9)), [&](const Kernels<T>& k, std::vector<T>& to) {
        k.row_pairs(R, n, 3, at, v, u, with_itself ? to.data() : with.data(), to.data(), to.data() + R * n);
      });
    const T *x[3] = {of(tables, 0), of(tables, 1), of(tables, 2)}, *w[3] = {of(others, 0), nullptr, of(others, 2)};
    for (const bool tangent : {false, true})
      both("spread_row_pairs", others, [&](const Kernels<T>& k, std::vector<T>& to) {
        T* const into[3] = {nullptr, to.data() + cardinality * n, to.data() + 2 * cardinality * n};
        k.spread_row_pairs(R, n, 3, at, da.data(), s.data(), x, tangent ? db.data() : nullptr,
                           tangent ? t.data() : nullptr, w, into);
      });
    // A block of rows gives the bits that the features of each row alone give.
    std::vector<T> sums(R * n), z(R), row(n);
    a.row_pairs(R, n, 3, at, v, u, sums.data(), sums.data(), z.data());
    const T ones[3] = {1, 1, 1};
    for (Index i = 0; i < R; ++i) {
      const T *vi[3] = {v[0] + at[0][i] * n, v[1] + at[1][i] * n, nullptr},
              *ui[3] = {u[0] + at[0][i] * n, u[1] + at[1][i] * n, nullptr};
      const T products = a.weighted_sum(n, 3, vi, ui, ones, false, row.data());
      equal(row, std::vector<T>(sums.begin() + i * n, sums.begin() + (i + 1) * n), "row_pairs, its sums");
      equal({a.dot(n, row.data(), row.data()) - products}, {z[i]}, "row_pairs, its results");
    }
  }

  void recurrent(Index H) {
    const auto g = noise(5 * H), t = noise(5 * H), d = noise(5 * H), start = noise(5 * H), before = noise(H),
               t_before = noise(H);
    const auto both = [&](const char* what, auto f) {
      std::vector<T> p = start, q = start;
      f(a, p.data()), f(r, q.data());
      same(p, q, 8, what, 8);
    };
    both("gru_candidate", [&](const Kernels<T>& k, T* to) { k.gru_candidate(H, to); });
    both("gru_state", [&](const Kernels<T>& k, T* to) { k.gru_state(H, before.data(), to); });
    both("gru_adjoint", [&](const Kernels<T>& k, T* to) { k.gru_adjoint(H, g.data(), before.data(), to); });
    both("gru_tangent",
         [&](const Kernels<T>& k, T* to) { k.gru_tangent(H, g.data(), before.data(), t_before.data(), to); });
    both("gru_tangent_adjoint", [&](const Kernels<T>& k, T* to) {
      k.gru_tangent_adjoint(H, g.data(), before.data(), t.data(), t_before.data(), d.data(), to);
    });
    for (const T* tangent : {t.data(), static_cast<const T*>(nullptr)})
      both("gru_carry", [&](const Kernels<T>& k, T* to) { k.gru_carry(H, g.data(), d.data(), tangent, t.data(), to); });
  }

  void all() {
    for (const Index M : {1, 2, 5, 6, 7, 13})
      for (const Index N : {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33, 48, 63, 64, 65, 70})
        for (const Index K : {1, 2, 9, 64}) products(M, N, K);
    // Sums so long that one of them may be small beside what it went through on the way.
    for (const Index M : {1, 5, 13})
      for (const Index N : {1, 4, 7, 20, 33}) products(M, N, 150, std::sqrt(150.0));
    // Longer than what a product takes at a time, twice over.
    products(13, 33, 2 * 1024 + 70, std::sqrt(2118.0));
    products(133, 9, 2 * 1024 + 70, std::sqrt(2118.0));
    for (Index n = 1; n <= 40; ++n) flat(n), rows(n);
  }
};

// The factor of matrices of several blocks, times its transpose, is the matrix.
void factors(const Kernels<double>& kernels) {
  Check<double> with{kernels, reference_kernels<double>()};
  for (const Index d : {1, 47, 48, 49, 96, 97, 160, 230}) {
    where = std::to_string(d);
    const auto A = with.noise(d * d);
    std::vector<double> m(d * d), wanted, made, scratch(cholesky_scratch(d));
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j < d; ++j) m[i * d + j] = with.r.dot(d, &A[i * d], &A[j * d]) + (i == j ? 1 : 0);
    std::vector<double> l = m;
    if (!cholesky(kernels, l.data(), d, scratch.data(), [] {}))
      std::printf("%s: not positive\n", where.c_str()), std::exit(1);
    for (Index i = 0; i < d; ++i)
      for (Index j = 0; j <= i; ++j) {
        wanted.push_back(m[i * d + j]);
        made.push_back(with.r.dot(j + 1, &l[i * d], &l[j * d]));
      }
    with.same(made, wanted, static_cast<double>(d), "cholesky");
    m[d * d - 1] = -1;
    if (cholesky(kernels, m.data(), d, scratch.data(), [] {}))
      std::printf("%s: positive\n", where.c_str()), std::exit(1);
  }
}

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
    factors(kernels_of<double>(isa));
  }
  return checks > 0 ? 0 : 1;
}
