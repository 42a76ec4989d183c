// This part of generic.inl holds kernels over many short rows: one call a block, because a call costs about as much as
// a row of sixteen numbers.

template <class T>
void gather_rows(Index rows, Index n, const T* table, const std::int32_t* at, T* to, Index ld) {
  using V = Vec<T>;
  if (n == 1) {
    for (Index r = 0; r < rows; ++r) to[r * ld] = table[at[r]];
    return;
  }
  for (Index r = 0; r < rows; ++r) {
    const T* from = table + at[r] * n;
    T* y = to + r * ld;
    each<T>(
        n, [&](Index i) { V::store(y + i, V::load(from + i)); },
        [&](Index i, Index rest) { V::store_n(y + i, rest, V::load_n(from + i, rest)); });
  }
}

template <class T>
void scatter_rows(Index rows, Index n, const T* from, Index ld, const std::int32_t* at, T* table) {
  using V = Vec<T>;
  if (n == 1) {
    for (Index r = 0; r < rows; ++r) table[at[r]] += from[r * ld];
    return;
  }
  for (Index r = 0; r < rows; ++r) {
    const T* x = from + r * ld;
    T* y = table + at[r] * n;
    each<T>(
        n, [&](Index i) { V::store(y + i, V::add(V::load(y + i), V::load(x + i))); },
        [&](Index i, Index rest) { V::store_n(y + i, rest, V::add(V::load_n(y + i, rest), V::load_n(x + i, rest))); });
  }
}

template <class T>
void row_dots(Index rows, Index n, const T* a, const T* b, bool accumulate, T* z) {
  for (Index r = 0; r < rows; ++r) {
    const T sum = dot<T>(n, a + r * n, b + r * n);
    z[r] = accumulate ? z[r] + sum : sum;
  }
}

template <class T>
void scale_rows(Index rows, Index n, const T* s, const T* x, bool accumulate, T* y) {
  using V = Vec<T>;
  for (Index r = 0; r < rows; ++r) {
    const typename V::R v = V::set1(s[r]);
    const T* from = x + r * n;
    T* to = y + r * n;
    if (accumulate)
      each<T>(
          n, [&](Index i) { V::store(to + i, V::fma(v, V::load(from + i), V::load(to + i))); },
          [&](Index i, Index rest) {
            V::store_n(to + i, rest, V::fma(v, V::load_n(from + i, rest), V::load_n(to + i, rest)));
          });
    else
      each<T>(
          n, [&](Index i) { V::store(to + i, V::mul(v, V::load(from + i))); },
          [&](Index i, Index rest) { V::store_n(to + i, rest, V::mul(v, V::load_n(from + i, rest))); });
  }
}

// One vector of weighted_sum, at the columns from i on, and of spread_pairs: `rest` of them where TAIL.
template <class T, bool TAIL>
IL_INLINE typename Vec<T>::R weighted_column(Index i, Index rest, Index count, const T* const* v, const T* const* u,
                                             const T* a, bool accumulate, T* s, typename Vec<T>::R products) {
  using V = Vec<T>;
  const auto load = [&](const T* p) { return TAIL ? V::load_n(p + i, rest) : V::load(p + i); };
  typename V::R sum = accumulate ? load(s) : V::zero();
  for (Index j = 0; j < count; ++j) {
    if (!v[j]) continue;
    const typename V::R aj = V::set1(a[j]), av = V::mul(aj, load(v[j]));
    sum = V::add(sum, av);
    products = V::fma(av, V::mul(aj, load(u[j])), products);
  }
  if (TAIL)
    V::store_n(s + i, rest, sum);
  else
    V::store(s + i, sum);
  return products;
}

template <class T>
T weighted_sum(Index n, Index count, const T* const* v, const T* const* u, const T* a, bool accumulate, T* s) {
  constexpr Index W = Vec<T>::W;
  typename Vec<T>::R products = Vec<T>::zero();
  Index i = 0;
  for (; i + W <= n; i += W) products = weighted_column<T, false>(i, W, count, v, u, a, accumulate, s, products);
  if (i < n) products = weighted_column<T, true>(i, n - i, count, v, u, a, accumulate, s, products);
  return Vec<T>::sum(products);
}

template <class T, bool TAIL>
IL_INLINE void spread_column(Index i, Index rest, Index count, const T* x, T a, const T* s, const T* const* v, T b,
                             const T* t, const T* const* w, T* const* y) {
  using V = Vec<T>;
  const auto load = [&](const T* p) { return TAIL ? V::load_n(p + i, rest) : V::load(p + i); };
  const typename V::R si = load(s), ti = t ? load(t) : V::zero();
  for (Index j = 0; j < count; ++j) {
    if (!y[j]) continue;
    const typename V::R xj = V::set1(x[j]);
    typename V::R sum = V::fma(V::set1(a * x[j]), V::fnma(xj, load(v[j]), si), load(y[j]));
    if (t) sum = V::fma(V::set1(b * x[j]), w[j] ? V::fnma(xj, load(w[j]), ti) : ti, sum);
    if (TAIL)
      V::store_n(y[j] + i, rest, sum);
    else
      V::store(y[j] + i, sum);
  }
}

template <class T>
void spread_pairs(Index n, Index count, const T* x, T a, const T* s, const T* const* v, T b, const T* t,
                  const T* const* w, T* const* y) {
  constexpr Index W = Vec<T>::W;
  Index i = 0;
  for (; i + W <= n; i += W) spread_column<T, false>(i, W, count, x, a, s, v, b, t, w, y);
  if (i < n) spread_column<T, true>(i, n - i, count, x, a, s, v, b, t, w, y);
}

// As weighted_sum does where all values are 1, to the same bits.
template <class T>
void row_pairs(Index rows, Index n, Index count, const std::int32_t* const* at, const T* const* v, const T* const* u,
               const T* with, T* s, T* z) {
  using V = Vec<T>;
  using R = typename V::R;
  for (Index r = 0; r < rows; ++r) {
    T* const to = s + r * n;
    R products = V::zero();
    each<T>(
        n,
        [&](Index i) {
          R sum = V::zero();
          for (Index j = 0; j < count; ++j) {
            if (!v[j]) continue;
            const Index from = at[j][r] * n + i;
            const R vj = V::load(v[j] + from);
            sum = V::add(sum, vj);
            products = V::fma(vj, V::load(u[j] + from), products);
          }
          V::store(to + i, sum);
        },
        [&](Index i, Index rest) {
          R sum = V::zero();
          for (Index j = 0; j < count; ++j) {
            if (!v[j]) continue;
            const Index from = at[j][r] * n + i;
            const R vj = V::load_n(v[j] + from, rest);
            sum = V::add(sum, vj);
            products = V::fma(vj, V::load_n(u[j] + from, rest), products);
          }
          V::store_n(to + i, rest, sum);
        });
    z[r] = dot<T>(n, with + r * n, to) - V::sum(products);
  }
}

// One vector of spread_row_pairs, of row r, at the columns from i on: `rest` of them where TAIL.
template <class T, bool TAIL>
IL_INLINE void spread_row_column(Index r, Index i, Index rest, Index n, Index count, const std::int32_t* const* at, T a,
                                 const T* s, const T* const* v, T b, const T* t, const T* const* w, T* const* y) {
  using V = Vec<T>;
  using R = typename V::R;
  const auto load = [&](const T* p) { return TAIL ? V::load_n(p, rest) : V::load(p); };
  const R va = V::set1(a), vb = V::set1(b), si = load(s + r * n + i), ti = t ? load(t + r * n + i) : V::zero();
  for (Index j = 0; j < count; ++j) {
    if (!y[j]) continue;
    const Index from = at[j][r] * n + i;
    T* const to = y[j] + from;
    R sum = V::fma(va, V::sub(si, load(v[j] + from)), load(to));
    if (t) sum = V::fma(vb, w[j] ? V::sub(ti, load(w[j] + from)) : ti, sum);
    if (TAIL)
      V::store_n(to, rest, sum);
    else
      V::store(to, sum);
  }
}

template <class T>
void spread_row_pairs(Index rows, Index n, Index count, const std::int32_t* const* at, const T* a, const T* s,
                      const T* const* v, const T* b, const T* t, const T* const* w, T* const* y) {
  for (Index r = 0; r < rows; ++r) {
    const T ar = a[r], br = b ? b[r] : T(0);
    each<T>(
        n, [&](Index i) { spread_row_column<T, false>(r, i, 0, n, count, at, ar, s, v, br, t, w, y); },
        [&](Index i, Index rest) { spread_row_column<T, true>(r, i, rest, n, count, at, ar, s, v, br, t, w, y); });
  }
}

// Right-looking, on the transpose: the vectors run along the rows of U = Lᵀ. Those that hold the diagonal begin before
// it; what they compute there is never read.
template <class T>
bool cholesky_block(Index d, T* m, Index ld, T* scratch) {
  using V = Vec<T>;
  constexpr Index W = V::W;
  const Index lu = (d + W - 1) / W * W;
  for (Index i = 0; i < d; ++i) {
    for (Index j = 0; j < i; ++j) scratch[i * lu + j] = T(0);
    for (Index j = i; j < lu; ++j) scratch[i * lu + j] = j < d ? m[j * ld + i] : T(0);
  }
  for (Index k = 0; k < d; ++k) {
    T* const pivots = scratch + k * lu;
    const T pivot = pivots[k];
    if (!(pivot > 0) || !(pivot - pivot == 0)) return false;
    const T root = __builtin_sqrt(pivot);
    const typename V::R roots = V::set1(root);
    for (Index j = k / W * W; j < lu; j += W) V::store(pivots + j, V::div(V::load(pivots + j), roots));
    pivots[k] = root;
    for (Index i = k + 1; i < d; ++i) {
      const typename V::R factor = V::set1(pivots[i]);
      T* const row = scratch + i * lu;
      for (Index j = i / W * W; j < lu; j += W)
        V::store(row + j, V::fnma(factor, V::load(pivots + j), V::load(row + j)));
    }
  }
  for (Index i = 0; i < d; ++i)
    for (Index j = 0; j <= i; ++j) m[i * ld + j] = scratch[j * lu + i];
  return true;
}
