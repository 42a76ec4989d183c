#include <algorithm>

#include "kernels.h"
#if defined(__x86_64__)
#include <immintrin.h>

#include "target.h"

IL_TARGET_BEGIN("avx2,fma")
namespace innerloop {
namespace avx2 {

constexpr int ROWS = 3,
              COLS = 4;  // 12 accumulators, 4 of B and 1 of A: 17 names for 16 registers, A is folded into the FMA
constexpr int DOT_ROWS = 3;

template <class T>
struct Vec;

// A mask with the first n of 8 lanes set is the window that starts 8 - n words into this table.
alignas(64) static const int kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

template <>
struct Vec<float> {
  using R = __m256;
  static constexpr Index W = 8;
  static IL_INLINE __m256i mask(Index n) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n)); }
  static IL_INLINE R load(const float* p) { return _mm256_loadu_ps(p); }
  static IL_INLINE R load_n(const float* p, Index n) { return _mm256_maskload_ps(p, mask(n)); }
  static IL_INLINE void store(float* p, R x) { _mm256_storeu_ps(p, x); }
  static IL_INLINE void store_n(float* p, Index n, R x) { _mm256_maskstore_ps(p, mask(n), x); }
  static IL_INLINE R set1(float x) { return _mm256_set1_ps(x); }
  static IL_INLINE R zero() { return _mm256_setzero_ps(); }
  static IL_INLINE R add(R a, R b) { return _mm256_add_ps(a, b); }
  static IL_INLINE R sub(R a, R b) { return _mm256_sub_ps(a, b); }
  static IL_INLINE R mul(R a, R b) { return _mm256_mul_ps(a, b); }
  static IL_INLINE R div(R a, R b) { return _mm256_div_ps(a, b); }
  static IL_INLINE R fma(R a, R b, R c) { return _mm256_fmadd_ps(a, b, c); }
  static IL_INLINE R fnma(R a, R b, R c) { return _mm256_fnmadd_ps(a, b, c); }
  static IL_INLINE R max(R a, R b) { return _mm256_max_ps(a, b); }
  static IL_INLINE R min(R a, R b) { return _mm256_min_ps(a, b); }
  static IL_INLINE R sqrt(R a) { return _mm256_sqrt_ps(a); }
  static IL_INLINE R abs(R a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static IL_INLINE R copysign(R m, R s) {
    const R sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, m), _mm256_and_ps(sign, s));
  }
  static IL_INLINE R round(R a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static IL_INLINE R exp2i(R n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
  }
  static IL_INLINE R positive(R x, R y) { return _mm256_and_ps(_mm256_cmp_ps(x, zero(), _CMP_GT_OQ), y); }
  static IL_INLINE void sum4(R a, R b, R c, R d, float* to) {
    const __m256 all = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(to, _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1)));
  }
  static IL_INLINE float sum(R a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
  }
};

template <>
struct Vec<double> {
  using R = __m256d;
  static constexpr Index W = 4;
  static IL_INLINE __m256i mask(Index n) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - 2 * n));
  }
  static IL_INLINE R load(const double* p) { return _mm256_loadu_pd(p); }
  static IL_INLINE R load_n(const double* p, Index n) { return _mm256_maskload_pd(p, mask(n)); }
  static IL_INLINE void store(double* p, R x) { _mm256_storeu_pd(p, x); }
  static IL_INLINE void store_n(double* p, Index n, R x) { _mm256_maskstore_pd(p, mask(n), x); }
  static IL_INLINE R set1(double x) { return _mm256_set1_pd(x); }
  static IL_INLINE R zero() { return _mm256_setzero_pd(); }
  static IL_INLINE R add(R a, R b) { return _mm256_add_pd(a, b); }
  static IL_INLINE R sub(R a, R b) { return _mm256_sub_pd(a, b); }
  static IL_INLINE R mul(R a, R b) { return _mm256_mul_pd(a, b); }
  static IL_INLINE R div(R a, R b) { return _mm256_div_pd(a, b); }
  static IL_INLINE R fma(R a, R b, R c) { return _mm256_fmadd_pd(a, b, c); }
  static IL_INLINE R fnma(R a, R b, R c) { return _mm256_fnmadd_pd(a, b, c); }
  static IL_INLINE R max(R a, R b) { return _mm256_max_pd(a, b); }
  static IL_INLINE R min(R a, R b) { return _mm256_min_pd(a, b); }
  static IL_INLINE R sqrt(R a) { return _mm256_sqrt_pd(a); }
  static IL_INLINE R abs(R a) { return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a); }
  static IL_INLINE R copysign(R m, R s) {
    const R sign = _mm256_set1_pd(-0.0);
    return _mm256_or_pd(_mm256_andnot_pd(sign, m), _mm256_and_pd(sign, s));
  }
  static IL_INLINE R round(R a) { return _mm256_round_pd(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  // Adding 1.5 * 2^52 leaves the integer in the low mantissa bits.
  static IL_INLINE R exp2i(R n) {
    const __m256i bits = _mm256_castpd_si256(_mm256_add_pd(n, _mm256_set1_pd(6755399441055744.0 + 1023.0)));
    return _mm256_castsi256_pd(_mm256_slli_epi64(bits, 52));
  }
  static IL_INLINE R positive(R x, R y) { return _mm256_and_pd(_mm256_cmp_pd(x, zero(), _CMP_GT_OQ), y); }
  static IL_INLINE void sum4(R a, R b, R c, R d, double* to) {
    const __m256d ab = _mm256_hadd_pd(a, b), cd = _mm256_hadd_pd(c, d);
    _mm256_storeu_pd(to, _mm256_add_pd(_mm256_permute2f128_pd(ab, cd, 0x20), _mm256_permute2f128_pd(ab, cd, 0x31)));
  }
  static IL_INLINE double sum(R a) {
    const __m128d s = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
  }
};

#include "transpose_x86.inl"

#include "generic.inl"

}  // namespace avx2
}  // namespace innerloop
IL_TARGET_END

namespace innerloop {
template <class T>
const Kernels<T>& avx2_kernels() {
  static constexpr Kernels<T> table = avx2::make_table<T>("avx2");
  return table;
}
template const Kernels<float>& avx2_kernels<float>();
template const Kernels<double>& avx2_kernels<double>();
}  // namespace innerloop
#endif
