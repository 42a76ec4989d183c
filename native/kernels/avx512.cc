#include <algorithm>

#include "kernels.h"
#if defined(__x86_64__)
// GCC 12 reports its own headers: _mm512_undefined_* is read on purpose (GCC bug 105593).
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "target.h"

IL_TARGET_BEGIN("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")
namespace innerloop {
namespace avx512 {

constexpr int ROWS = 6, COLS = 4;  // 24 accumulators, 4 of B, 1 of A: 29 of 32 registers
constexpr int DOT_ROWS = 4;

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using R = __m512;
  static constexpr Index W = 16;
  static IL_INLINE __mmask16 mask(Index n) { return static_cast<__mmask16>((1u << n) - 1u); }
  static IL_INLINE R load(const float* p) { return _mm512_loadu_ps(p); }
  static IL_INLINE R load_n(const float* p, Index n) { return _mm512_maskz_loadu_ps(mask(n), p); }
  static IL_INLINE void store(float* p, R x) { _mm512_storeu_ps(p, x); }
  static IL_INLINE void store_n(float* p, Index n, R x) { _mm512_mask_storeu_ps(p, mask(n), x); }
  static IL_INLINE R set1(float x) { return _mm512_set1_ps(x); }
  static IL_INLINE R zero() { return _mm512_setzero_ps(); }
  static IL_INLINE R add(R a, R b) { return _mm512_add_ps(a, b); }
  static IL_INLINE R sub(R a, R b) { return _mm512_sub_ps(a, b); }
  static IL_INLINE R mul(R a, R b) { return _mm512_mul_ps(a, b); }
  static IL_INLINE R div(R a, R b) { return _mm512_div_ps(a, b); }
  static IL_INLINE R fma(R a, R b, R c) { return _mm512_fmadd_ps(a, b, c); }
  static IL_INLINE R fnma(R a, R b, R c) { return _mm512_fnmadd_ps(a, b, c); }
  static IL_INLINE R max(R a, R b) { return _mm512_max_ps(a, b); }
  static IL_INLINE R min(R a, R b) { return _mm512_min_ps(a, b); }
  static IL_INLINE R sqrt(R a) { return _mm512_sqrt_ps(a); }
  static IL_INLINE R abs(R a) { return _mm512_abs_ps(a); }
  static IL_INLINE R copysign(R m, R s) {
    const R sign = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(sign, m), _mm512_and_ps(sign, s));
  }
  static IL_INLINE R round(R a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static IL_INLINE R exp2i(R n) { return _mm512_scalef_ps(_mm512_set1_ps(1.0f), n); }
  static IL_INLINE R positive(R x, R y) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, zero(), _CMP_GT_OQ), y); }
  static IL_INLINE float sum(R a) { return _mm512_reduce_add_ps(a); }
  static IL_INLINE __m256 half(R x) { return _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)); }
  static IL_INLINE void sum4(R a, R b, R c, R d, float* to) {
    const __m256 ab = _mm256_hadd_ps(half(a), half(b)), cd = _mm256_hadd_ps(half(c), half(d)),
                 all = _mm256_hadd_ps(ab, cd);
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
  }
};

template <>
struct Vec<double> {
  using R = __m512d;
  static constexpr Index W = 8;
  static IL_INLINE __mmask8 mask(Index n) { return static_cast<__mmask8>((1u << n) - 1u); }
  static IL_INLINE R load(const double* p) { return _mm512_loadu_pd(p); }
  static IL_INLINE R load_n(const double* p, Index n) { return _mm512_maskz_loadu_pd(mask(n), p); }
  static IL_INLINE void store(double* p, R x) { _mm512_storeu_pd(p, x); }
  static IL_INLINE void store_n(double* p, Index n, R x) { _mm512_mask_storeu_pd(p, mask(n), x); }
  static IL_INLINE R set1(double x) { return _mm512_set1_pd(x); }
  static IL_INLINE R zero() { return _mm512_setzero_pd(); }
  static IL_INLINE R add(R a, R b) { return _mm512_add_pd(a, b); }
  static IL_INLINE R sub(R a, R b) { return _mm512_sub_pd(a, b); }
  static IL_INLINE R mul(R a, R b) { return _mm512_mul_pd(a, b); }
  static IL_INLINE R div(R a, R b) { return _mm512_div_pd(a, b); }
  static IL_INLINE R fma(R a, R b, R c) { return _mm512_fmadd_pd(a, b, c); }
  static IL_INLINE R fnma(R a, R b, R c) { return _mm512_fnmadd_pd(a, b, c); }
  static IL_INLINE R max(R a, R b) { return _mm512_max_pd(a, b); }
  static IL_INLINE R min(R a, R b) { return _mm512_min_pd(a, b); }
  static IL_INLINE R sqrt(R a) { return _mm512_sqrt_pd(a); }
  static IL_INLINE R abs(R a) { return _mm512_abs_pd(a); }
  static IL_INLINE R copysign(R m, R s) {
    const R sign = _mm512_set1_pd(-0.0);
    return _mm512_or_pd(_mm512_andnot_pd(sign, m), _mm512_and_pd(sign, s));
  }
  static IL_INLINE R round(R a) { return _mm512_roundscale_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static IL_INLINE R exp2i(R n) { return _mm512_scalef_pd(_mm512_set1_pd(1.0), n); }
  static IL_INLINE R positive(R x, R y) { return _mm512_maskz_mov_pd(_mm512_cmp_pd_mask(x, zero(), _CMP_GT_OQ), y); }
  static IL_INLINE double sum(R a) { return _mm512_reduce_add_pd(a); }
  static IL_INLINE __m256d half(R x) { return _mm256_add_pd(_mm512_castpd512_pd256(x), _mm512_extractf64x4_pd(x, 1)); }
  static IL_INLINE void sum4(R a, R b, R c, R d, double* to) {
    const __m256d ab = _mm256_hadd_pd(half(a), half(b)), cd = _mm256_hadd_pd(half(c), half(d));
    const __m256d low = _mm256_permute2f128_pd(ab, cd, 0x20), high = _mm256_permute2f128_pd(ab, cd, 0x31);
    _mm256_storeu_pd(to, _mm256_add_pd(low, high));
  }
};

#define IL_AVX512
#include "transpose_x86.inl"

#include "generic.inl"

}  // namespace avx512
}  // namespace innerloop
IL_TARGET_END

namespace innerloop {
template <class T>
const Kernels<T>& avx512_kernels() {
  static constexpr Kernels<T> table = avx512::make_table<T>("avx512");
  return table;
}
template const Kernels<float>& avx512_kernels<float>();
template const Kernels<double>& avx512_kernels<double>();
}  // namespace innerloop
#endif
