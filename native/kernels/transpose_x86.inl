// to[SIZE, SIZE] = from[SIZE, SIZE]^T. The registers of a block hold rows 0 to 3, 4 to 7 … in their 128-bit parts,
// joined on the way in, where it costs no shuffle; a 4 x 4 transpose of every part then gives whole columns.

template <class T>
struct Block;

#if defined(IL_AVX512)
template <>
struct Block<float> {
  static constexpr Index SIZE = 16;
  static IL_INLINE void transpose(const float* from, Index ld, float* to, Index ldt) {
    for (Index c = 0; c < SIZE; c += 4) columns(from + c, ld, to + c * ldt, ldt);
  }

 private:
  static IL_INLINE void columns(const float* from, Index ld, float* to, Index ldt) {
    const __m512 a0 = rows(from, ld), a1 = rows(from + ld, ld), a2 = rows(from + 2 * ld, ld),
                 a3 = rows(from + 3 * ld, ld);
    const __m512 b0 = _mm512_unpacklo_ps(a0, a1), b1 = _mm512_unpackhi_ps(a0, a1), b2 = _mm512_unpacklo_ps(a2, a3),
                 b3 = _mm512_unpackhi_ps(a2, a3);
    _mm512_storeu_ps(to, _mm512_shuffle_ps(b0, b2, 0x44));
    _mm512_storeu_ps(to + ldt, _mm512_shuffle_ps(b0, b2, 0xee));
    _mm512_storeu_ps(to + 2 * ldt, _mm512_shuffle_ps(b1, b3, 0x44));
    _mm512_storeu_ps(to + 3 * ldt, _mm512_shuffle_ps(b1, b3, 0xee));
  }
  static IL_INLINE __m512 rows(const float* row, Index ld) {
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(row));
    x = _mm512_insertf32x4(x, _mm_loadu_ps(row + 4 * ld), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(row + 8 * ld), 2);
    return _mm512_insertf32x4(x, _mm_loadu_ps(row + 12 * ld), 3);
  }
};
#else
template <>
struct Block<float> {
  static constexpr Index SIZE = 8;
  static IL_INLINE void transpose(const float* from, Index ld, float* to, Index ldt) {
    columns(from, ld, to, ldt);
    columns(from + 4, ld, to + 4 * ldt, ldt);
  }

 private:
  static IL_INLINE void columns(const float* from, Index ld, float* to, Index ldt) {
    const __m256 a0 = rows(from, ld), a1 = rows(from + ld, ld), a2 = rows(from + 2 * ld, ld),
                 a3 = rows(from + 3 * ld, ld);
    const __m256 b0 = _mm256_unpacklo_ps(a0, a1), b1 = _mm256_unpackhi_ps(a0, a1), b2 = _mm256_unpacklo_ps(a2, a3),
                 b3 = _mm256_unpackhi_ps(a2, a3);
    _mm256_storeu_ps(to, _mm256_shuffle_ps(b0, b2, 0x44));
    _mm256_storeu_ps(to + ldt, _mm256_shuffle_ps(b0, b2, 0xee));
    _mm256_storeu_ps(to + 2 * ldt, _mm256_shuffle_ps(b1, b3, 0x44));
    _mm256_storeu_ps(to + 3 * ldt, _mm256_shuffle_ps(b1, b3, 0xee));
  }
  static IL_INLINE __m256 rows(const float* row, Index ld) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row)), _mm_loadu_ps(row + 4 * ld), 1);
  }
};
#endif

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
