// The naive reference, against which every other instruction set is checked. It runs where the machine has none of
// them.
#include <algorithm>
#include <cmath>

#include "kernels.h"

namespace innerloop {
namespace {

template <class T>
void gemm_nn(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, const T* bias, bool accumulate,
             T* C, Index ldc) {
  for (Index i = 0; i < M; ++i) {
    for (Index j = 0; j < N; ++j) {
      T sum = accumulate ? C[i * ldc + j] : bias ? bias[j] : T(0);
      for (Index k = 0; k < K; ++k) sum += A[i * lda + k] * B[k * ldb + j];
      C[i * ldc + j] = sum;
    }
  }
}

template <class T>
void gemm_tn(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C,
             Index ldc) {
  for (Index i = 0; i < M; ++i) {
    for (Index j = 0; j < N; ++j) {
      T sum = accumulate ? C[i * ldc + j] : T(0);
      for (Index k = 0; k < K; ++k) sum += A[k * lda + i] * B[k * ldb + j];
      C[i * ldc + j] = sum;
    }
  }
}

template <class T>
void gemm_nt(Index M, Index N, Index K, const T* A, Index lda, const T* B, Index ldb, bool accumulate, T* C, Index ldc,
             T*) {
  for (Index i = 0; i < M; ++i) {
    for (Index j = 0; j < N; ++j) {
      T sum = accumulate ? C[i * ldc + j] : T(0);
      for (Index k = 0; k < K; ++k) sum += A[i * lda + k] * B[j * ldb + k];
      C[i * ldc + j] = sum;
    }
  }
}

template <class T>
void gemm(Index M, Index N, const Factors<T>* factors, int count, const T* bias, const T* init, T* C, Index ldc) {
  for (Index i = 0; i < M; ++i) {
    for (Index j = 0; j < N; ++j) {
      T sum = init ? init[i * ldc + j] : bias ? bias[j] : T(0);
      for (const Factors<T>* f = factors; f < factors + count; ++f)
        for (Index k = 0; k < f->K; ++k) sum += f->A[i * f->row_stride + k * f->k_stride] * f->B[k * f->ldb + j];
      C[i * ldc + j] = sum;
    }
  }
}

template <class T>
void transpose(Index M, Index N, const T* A, Index lda, T* B, Index ldb) {
  for (Index i = 0; i < M; ++i)
    for (Index j = 0; j < N; ++j) B[j * ldb + i] = A[i * lda + j];
}

template <class T>
void column_sums(Index M, Index N, const T* A, Index lda, T* y) {
  for (Index i = 0; i < M; ++i)
    for (Index j = 0; j < N; ++j) y[j] += A[i * lda + j];
}

template <class T>
void axpy(Index n, T a, const T* x, T* y) {
  for (Index i = 0; i < n; ++i) y[i] += a * x[i];
}

template <class T>
void scale(Index n, T a, const T* x, T* y) {
  for (Index i = 0; i < n; ++i) y[i] = a * x[i];
}

template <class T>
void add_scaled(Index n, const T* x, T a, const T* y, T* z) {
  for (Index i = 0; i < n; ++i) z[i] = x[i] + a * y[i];
}

template <class T>
void sub_product(Index n, const T* x, const T* a, const T* y, T* z) {
  for (Index i = 0; i < n; ++i) z[i] = x[i] - a[i] * y[i];
}

template <class T>
void negative_product(Index n, const T* a, const T* x, T* z) {
  for (Index i = 0; i < n; ++i) z[i] = -a[i] * x[i];
}

template <class T>
void sub_product_into(Index n, const T* x, const T* y, T* z) {
  for (Index i = 0; i < n; ++i) z[i] -= x[i] * y[i];
}

template <class T>
T dot(Index n, const T* x, const T* y) {
  T sum = 0;
  for (Index i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

template <class T>
void gather_rows(Index rows, Index n, const T* table, const std::int32_t* at, T* to, Index ld) {
  for (Index r = 0; r < rows; ++r)
    for (Index i = 0; i < n; ++i) to[r * ld + i] = table[at[r] * n + i];
}

template <class T>
void scatter_rows(Index rows, Index n, const T* from, Index ld, const std::int32_t* at, T* table) {
  for (Index r = 0; r < rows; ++r)
    for (Index i = 0; i < n; ++i) table[at[r] * n + i] += from[r * ld + i];
}

template <class T>
void row_dots(Index rows, Index n, const T* a, const T* b, bool accumulate, T* z) {
  for (Index r = 0; r < rows; ++r) z[r] = (accumulate ? z[r] : T(0)) + dot(n, a + r * n, b + r * n);
}

template <class T>
void scale_rows(Index rows, Index n, const T* s, const T* x, bool accumulate, T* y) {
  for (Index r = 0; r < rows; ++r)
    for (Index i = 0; i < n; ++i) y[r * n + i] = (accumulate ? y[r * n + i] : T(0)) + s[r] * x[r * n + i];
}

template <class T>
T weighted_sum(Index n, Index count, const T* const* v, const T* const* u, const T* a, bool accumulate, T* s) {
  T products = 0;
  if (!accumulate) std::fill_n(s, n, T(0));
  for (Index j = 0; j < count; ++j) {
    if (!v[j]) continue;
    axpy(n, a[j], v[j], s);
    products += a[j] * a[j] * dot(n, v[j], u[j]);
  }
  return products;
}

template <class T>
void spread_pairs(Index n, Index count, const T* x, T a, const T* s, const T* const* v, T b, const T* t,
                  const T* const* w, T* const* y) {
  for (Index j = 0; j < count; ++j) {
    if (!y[j]) continue;
    for (Index i = 0; i < n; ++i) {
      y[j][i] += a * x[j] * (s[i] - x[j] * v[j][i]);
      if (t) y[j][i] += b * x[j] * (t[i] - (w[j] ? x[j] * w[j][i] : T(0)));
    }
  }
}

template <class T>
void row_pairs(Index rows, Index n, Index count, const std::int32_t* const* at, const T* const* v, const T* const* u,
               const T* with, T* s, T* z) {
  for (Index r = 0; r < rows; ++r) {
    T products = 0;
    std::fill_n(s + r * n, n, T(0));
    for (Index j = 0; j < count; ++j) {
      if (!v[j]) continue;
      axpy(n, T(1), v[j] + at[j][r] * n, s + r * n);
      products += dot(n, v[j] + at[j][r] * n, u[j] + at[j][r] * n);
    }
    z[r] = dot(n, with + r * n, s + r * n) - products;
  }
}

template <class T>
void spread_row_pairs(Index rows, Index n, Index count, const std::int32_t* const* at, const T* a, const T* s,
                      const T* const* v, const T* b, const T* t, const T* const* w, T* const* y) {
  for (Index r = 0; r < rows; ++r) {
    for (Index j = 0; j < count; ++j) {
      if (!y[j]) continue;
      for (Index i = 0; i < n; ++i) {
        const Index from = at[j][r] * n + i;
        y[j][from] += a[r] * (s[r * n + i] - v[j][from]);
        if (t) y[j][from] += b[r] * (t[r * n + i] - (w[j] ? w[j][from] : T(0)));
      }
    }
  }
}

template <class T>
bool cholesky_block(Index d, T* m, Index ld, T*) {
  for (Index i = 0; i < d; ++i) {
    T* row = m + i * ld;
    for (Index j = 0; j < i; ++j) row[j] = (row[j] - dot(j, row, m + j * ld)) / m[j * ld + j];
    row[i] -= dot(i, row, row);
    if (!(row[i] > 0) || !std::isfinite(row[i])) return false;
    row[i] = std::sqrt(row[i]);
  }
  return true;
}

#include "recurrent.inl"

template <class T>
T logistic(T z) {
  return z >= 0 ? 1 / (1 + std::exp(-z)) : std::exp(z) / (1 + std::exp(z));
}

template <class T>
T first_derivative(Activation f, T z, T a) {
  switch (f) {
    case Activation::relu:
      return z > 0 ? T(1) : T(0);
    case Activation::tanh:
      return 1 - a * a;
    case Activation::sigmoid:
      return a * (1 - a);
    default:
      return logistic(z);
  }
}

template <class T>
T second_derivative(Activation f, T z, T a) {
  switch (f) {
    case Activation::relu:
      return 0;
    case Activation::tanh:
      return -2 * a * (1 - a * a);
    case Activation::sigmoid:
      return a * (1 - a) * (1 - 2 * a);
    default:
      return logistic(z) * logistic(-z);
  }
}

template <class T>
void activation_forward(Activation f, Index n, const T* z, T* a) {
  for (Index i = 0; i < n; ++i) {
    switch (f) {
      case Activation::relu:
        a[i] = z[i] < 0 ? T(0) : z[i];
        break;  // NaN stays
      case Activation::tanh:
        a[i] = std::tanh(z[i]);
        break;
      case Activation::sigmoid:
        a[i] = logistic(z[i]);
        break;
      default:
        a[i] = std::max(z[i], T(0)) + std::log1p(std::exp(-std::abs(z[i])));
    }
  }
}

template <class T>
void activation_backward(Activation f, Index n, const T* z, const T* a, const T* da, T* dz) {
  for (Index i = 0; i < n; ++i) dz[i] = da[i] * first_derivative(f, z[i], a[i]);
}

template <class T>
void activation_tangent_forward(Activation f, Index n, const T* z, const T* a, const T* tz, T* ta) {
  for (Index i = 0; i < n; ++i) ta[i] = tz[i] * first_derivative(f, z[i], a[i]);
}

template <class T>
void activation_tangent_backward(Activation f, Index n, const T* z, const T* a, const T* tz, const T* da, const T* tda,
                                 T* tdz) {
  for (Index i = 0; i < n; ++i) {
    tdz[i] = tda[i] * first_derivative(f, z[i], a[i]) + (tz ? da[i] * second_derivative(f, z[i], a[i]) * tz[i] : T(0));
  }
}

template <class T>
void adam(Index n, T* p, T* m, T* q, const T* g, T gradient_scale, T b1, T b2, T step, T correction, T epsilon,
          T decay) {
  for (Index i = 0; i < n; ++i) {
    const T gi = gradient_scale * g[i];
    m[i] = b1 * m[i] + (1 - b1) * gi;
    q[i] = b2 * q[i] + (1 - b2) * gi * gi;
    p[i] -= step * m[i] / (std::sqrt(q[i]) * correction + epsilon) + decay * p[i];
  }
}

template <class T>
double multiply_adds(Index n) {
  T sum[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  for (Index i = 0; i < n; ++i)
    for (T& s : sum) s = s * T(0.999) + T(1e-3);
  volatile T kept = sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
  (void)kept;
  return 16.0 * static_cast<double>(n);
}

}  // namespace

template <class T>
const Kernels<T>& reference_kernels() {
  static constexpr Kernels<T> table{
      .name = "reference",
      .gemm_nn = gemm_nn<T>,
      .gemm_tn = gemm_tn<T>,
      .gemm_nt = gemm_nt<T>,
      .gemm = gemm<T>,
      .transpose = transpose<T>,
      .column_sums = column_sums<T>,
      .axpy = axpy<T>,
      .scale = scale<T>,
      .add_scaled = add_scaled<T>,
      .sub_product = sub_product<T>,
      .negative_product = negative_product<T>,
      .sub_product_into = sub_product_into<T>,
      .dot = dot<T>,
      .gather_rows = gather_rows<T>,
      .scatter_rows = scatter_rows<T>,
      .row_dots = row_dots<T>,
      .scale_rows = scale_rows<T>,
      .weighted_sum = weighted_sum<T>,
      .spread_pairs = spread_pairs<T>,
      .row_pairs = row_pairs<T>,
      .spread_row_pairs = spread_row_pairs<T>,
      .cholesky_block = cholesky_block<T>,
      .gru_candidate = gru_candidate<T>,
      .gru_state = gru_state<T>,
      .gru_adjoint = gru_adjoint<T>,
      .gru_tangent = gru_tangent<T>,
      .gru_tangent_adjoint = gru_tangent_adjoint<T>,
      .gru_carry = gru_carry<T>,
      .activation_forward = activation_forward<T>,
      .activation_backward = activation_backward<T>,
      .activation_tangent_forward = activation_tangent_forward<T>,
      .activation_tangent_backward = activation_tangent_backward<T>,
      .adam = adam<T>,
      .multiply_adds = multiply_adds<T>,
  };
  return table;
}

template const Kernels<float>& reference_kernels<float>();
template const Kernels<double>& reference_kernels<double>();

}  // namespace innerloop
