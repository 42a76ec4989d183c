#include <algorithm>

#include "kernels.h"
#if defined(__aarch64__)
#include <arm_neon.h>

#include "target.h"

// NEON is part of the AArch64 baseline, so this file needs no target region.
namespace innerloop {
namespace neon {

constexpr int ROWS = 6, COLS = 4;  // 24 accumulators, 4 of B, 1 of A: 29 of 32 registers
constexpr int DOT_ROWS = 4;

template <class T>
struct Vec;

template <>
struct Vec<float> {
  using R = float32x4_t;
  static constexpr Index W = 4;
  static IL_INLINE R load(const float* p) { return vld1q_f32(p); }
  static IL_INLINE R load_n(const float* p, Index n) {
    float t[4] = {0, 0, 0, 0};
    for (Index i = 0; i < n; ++i) t[i] = p[i];
    return vld1q_f32(t);
  }
  static IL_INLINE void store(float* p, R x) { vst1q_f32(p, x); }
  static IL_INLINE void store_n(float* p, Index n, R x) {
    float t[4];
    vst1q_f32(t, x);
    for (Index i = 0; i < n; ++i) p[i] = t[i];
  }
  static IL_INLINE R set1(float x) { return vdupq_n_f32(x); }
  static IL_INLINE R zero() { return vdupq_n_f32(0); }
  static IL_INLINE R add(R a, R b) { return vaddq_f32(a, b); }
  static IL_INLINE R sub(R a, R b) { return vsubq_f32(a, b); }
  static IL_INLINE R mul(R a, R b) { return vmulq_f32(a, b); }
  static IL_INLINE R div(R a, R b) { return vdivq_f32(a, b); }
  static IL_INLINE R fma(R a, R b, R c) { return vfmaq_f32(c, a, b); }
  static IL_INLINE R fnma(R a, R b, R c) { return vfmsq_f32(c, a, b); }
  static IL_INLINE R max(R a, R b) { return vmaxq_f32(a, b); }
  static IL_INLINE R min(R a, R b) { return vminq_f32(a, b); }
  static IL_INLINE R sqrt(R a) { return vsqrtq_f32(a); }
  static IL_INLINE R abs(R a) { return vabsq_f32(a); }
  static IL_INLINE R copysign(R m, R s) { return vbslq_f32(vdupq_n_u32(0x80000000u), s, m); }
  static IL_INLINE R round(R a) { return vrndnq_f32(a); }
  static IL_INLINE R exp2i(R n) {
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)), 23));
  }
  static IL_INLINE R positive(R x, R y) {
    return vreinterpretq_f32_u32(vandq_u32(vcgtq_f32(x, zero()), vreinterpretq_u32_f32(y)));
  }
  static IL_INLINE float sum(R a) { return vaddvq_f32(a); }
  static IL_INLINE void sum4(R a, R b, R c, R d, float* to) {
    vst1q_f32(to, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
  }
};

template <>
struct Vec<double> {
  using R = float64x2_t;
  static constexpr Index W = 2;
  static IL_INLINE R load(const double* p) { return vld1q_f64(p); }
  static IL_INLINE R load_n(const double* p, Index) { return vsetq_lane_f64(p[0], vdupq_n_f64(0), 0); }
  static IL_INLINE void store(double* p, R x) { vst1q_f64(p, x); }
  static IL_INLINE void store_n(double* p, Index, R x) { p[0] = vgetq_lane_f64(x, 0); }
  static IL_INLINE R set1(double x) { return vdupq_n_f64(x); }
  static IL_INLINE R zero() { return vdupq_n_f64(0); }
  static IL_INLINE R add(R a, R b) { return vaddq_f64(a, b); }
  static IL_INLINE R sub(R a, R b) { return vsubq_f64(a, b); }
  static IL_INLINE R mul(R a, R b) { return vmulq_f64(a, b); }
  static IL_INLINE R div(R a, R b) { return vdivq_f64(a, b); }
  static IL_INLINE R fma(R a, R b, R c) { return vfmaq_f64(c, a, b); }
  static IL_INLINE R fnma(R a, R b, R c) { return vfmsq_f64(c, a, b); }
  static IL_INLINE R max(R a, R b) { return vmaxq_f64(a, b); }
  static IL_INLINE R min(R a, R b) { return vminq_f64(a, b); }
  static IL_INLINE R sqrt(R a) { return vsqrtq_f64(a); }
  static IL_INLINE R abs(R a) { return vabsq_f64(a); }
  static IL_INLINE R copysign(R m, R s) { return vbslq_f64(vdupq_n_u64(0x8000000000000000ull), s, m); }
  static IL_INLINE R round(R a) { return vrndnq_f64(a); }
  static IL_INLINE R exp2i(R n) {
    return vreinterpretq_f64_s64(vshlq_n_s64(vaddq_s64(vcvtnq_s64_f64(n), vdupq_n_s64(1023)), 52));
  }
  static IL_INLINE R positive(R x, R y) {
    return vreinterpretq_f64_u64(vandq_u64(vcgtq_f64(x, zero()), vreinterpretq_u64_f64(y)));
  }
  static IL_INLINE double sum(R a) { return vaddvq_f64(a); }
  static IL_INLINE void sum4(R a, R b, R c, R d, double* to) {
    vst1q_f64(to, vpaddq_f64(a, b));
    vst1q_f64(to + 2, vpaddq_f64(c, d));
  }
};

template <class T>
struct Block;

template <>
struct Block<float> {
  static constexpr Index SIZE = 4;
  static IL_INLINE void transpose(const float* from, Index ld, float* to, Index ldt) {
    const float32x4_t a0 = vld1q_f32(from), a1 = vld1q_f32(from + ld), a2 = vld1q_f32(from + 2 * ld),
                      a3 = vld1q_f32(from + 3 * ld);
    const float64x2_t b0 = vreinterpretq_f64_f32(vtrn1q_f32(a0, a1)), b1 = vreinterpretq_f64_f32(vtrn2q_f32(a0, a1)),
                      b2 = vreinterpretq_f64_f32(vtrn1q_f32(a2, a3)), b3 = vreinterpretq_f64_f32(vtrn2q_f32(a2, a3));
    vst1q_f32(to, vreinterpretq_f32_f64(vtrn1q_f64(b0, b2)));
    vst1q_f32(to + ldt, vreinterpretq_f32_f64(vtrn1q_f64(b1, b3)));
    vst1q_f32(to + 2 * ldt, vreinterpretq_f32_f64(vtrn2q_f64(b0, b2)));
    vst1q_f32(to + 3 * ldt, vreinterpretq_f32_f64(vtrn2q_f64(b1, b3)));
  }
};

template <>
struct Block<double> {
  static constexpr Index SIZE = 2;
  static IL_INLINE void transpose(const double* from, Index ld, double* to, Index ldt) {
    const float64x2_t a0 = vld1q_f64(from), a1 = vld1q_f64(from + ld);
    vst1q_f64(to, vtrn1q_f64(a0, a1));
    vst1q_f64(to + ldt, vtrn2q_f64(a0, a1));
  }
};

#include "generic.inl"

}  // namespace neon

template <class T>
const Kernels<T>& neon_kernels() {
  static constexpr Kernels<T> table = neon::make_table<T>("neon");
  return table;
}
template const Kernels<float>& neon_kernels<float>();
template const Kernels<double>& neon_kernels<double>();
}  // namespace innerloop
#endif
