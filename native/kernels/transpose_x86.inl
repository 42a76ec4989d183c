// to[SIZE, SIZE] = from[SIZE, SIZE]^T in 256-bit registers, for AVX2 and AVX-512 alike.

template <class T>
struct Block;

template <>
struct Block<float> {
  static constexpr Index SIZE = 8;
  static IL_INLINE void transpose(const float* from, Index ld, float* to, Index ldt) {
    const __m256 a0 = _mm256_loadu_ps(from), a1 = _mm256_loadu_ps(from + ld), a2 = _mm256_loadu_ps(from + 2 * ld),
                 a3 = _mm256_loadu_ps(from + 3 * ld), a4 = _mm256_loadu_ps(from + 4 * ld), a5 = _mm256_loadu_ps(from + 5 * ld),
                 a6 = _mm256_loadu_ps(from + 6 * ld), a7 = _mm256_loadu_ps(from + 7 * ld);
    const __m256 b0 = _mm256_unpacklo_ps(a0, a1), b1 = _mm256_unpackhi_ps(a0, a1), b2 = _mm256_unpacklo_ps(a2, a3),
                 b3 = _mm256_unpackhi_ps(a2, a3), b4 = _mm256_unpacklo_ps(a4, a5), b5 = _mm256_unpackhi_ps(a4, a5),
                 b6 = _mm256_unpacklo_ps(a6, a7), b7 = _mm256_unpackhi_ps(a6, a7);
    const __m256 c0 = _mm256_shuffle_ps(b0, b2, 0x44), c1 = _mm256_shuffle_ps(b0, b2, 0xee), c2 = _mm256_shuffle_ps(b1, b3, 0x44),
                 c3 = _mm256_shuffle_ps(b1, b3, 0xee), c4 = _mm256_shuffle_ps(b4, b6, 0x44), c5 = _mm256_shuffle_ps(b4, b6, 0xee),
                 c6 = _mm256_shuffle_ps(b5, b7, 0x44), c7 = _mm256_shuffle_ps(b5, b7, 0xee);
    _mm256_storeu_ps(to, _mm256_permute2f128_ps(c0, c4, 0x20));
    _mm256_storeu_ps(to + ldt, _mm256_permute2f128_ps(c1, c5, 0x20));
    _mm256_storeu_ps(to + 2 * ldt, _mm256_permute2f128_ps(c2, c6, 0x20));
    _mm256_storeu_ps(to + 3 * ldt, _mm256_permute2f128_ps(c3, c7, 0x20));
    _mm256_storeu_ps(to + 4 * ldt, _mm256_permute2f128_ps(c0, c4, 0x31));
    _mm256_storeu_ps(to + 5 * ldt, _mm256_permute2f128_ps(c1, c5, 0x31));
    _mm256_storeu_ps(to + 6 * ldt, _mm256_permute2f128_ps(c2, c6, 0x31));
    _mm256_storeu_ps(to + 7 * ldt, _mm256_permute2f128_ps(c3, c7, 0x31));
  }
};

template <>
struct Block<double> {
  static constexpr Index SIZE = 4;
  static IL_INLINE void transpose(const double* from, Index ld, double* to, Index ldt) {
    const __m256d a0 = _mm256_loadu_pd(from), a1 = _mm256_loadu_pd(from + ld), a2 = _mm256_loadu_pd(from + 2 * ld),
                  a3 = _mm256_loadu_pd(from + 3 * ld);
    const __m256d b0 = _mm256_unpacklo_pd(a0, a1), b1 = _mm256_unpackhi_pd(a0, a1), b2 = _mm256_unpacklo_pd(a2, a3),
                  b3 = _mm256_unpackhi_pd(a2, a3);
    _mm256_storeu_pd(to, _mm256_permute2f128_pd(b0, b2, 0x20));
    _mm256_storeu_pd(to + ldt, _mm256_permute2f128_pd(b1, b3, 0x20));
    _mm256_storeu_pd(to + 2 * ldt, _mm256_permute2f128_pd(b0, b2, 0x31));
    _mm256_storeu_pd(to + 3 * ldt, _mm256_permute2f128_pd(b1, b3, 0x31));
  }
};
