// This part of generic.inl holds exp, tanh, logistic and softplus on vectors, and the four functions of each
// activation.

// ---------------------------------------------------------------------------------------------- elementary functions

// x = n ln2 + r, |r| <= ln2/2; returns e^r - 1 and 2^n. Taylor in r: the remainder after r^7 is below 1e-8 (float),
// after r^13 below 1e-17 (double). n must be in the exponent range.
template <class T>
IL_INLINE typename Vec<T>::R expm1_reduced(typename Vec<T>::R x, typename Vec<T>::R& power) {
  using V = Vec<T>;
  using R = typename V::R;
  constexpr bool f32 = sizeof(T) == 4;
  const R n = V::round(V::mul(x, V::set1(T(1.44269504088896340736))));
  R r = V::fnma(n, V::set1(f32 ? T(0.693359375) : T(6.93145751953125e-1)), x);
  r = V::fnma(n, V::set1(f32 ? T(-2.12194440e-4) : T(1.42860682030941723212e-6)), r);
  constexpr T c[] = {T(1) / T(6227020800.0), T(1) / T(479001600.0), T(1) / T(39916800.0), T(1) / T(3628800.0),
                     T(1) / T(362880.0),     T(1) / T(40320.0),     T(1) / T(5040.0),     T(1) / T(720.0),
                     T(1) / T(120.0),        T(1) / T(24.0),        T(1) / T(6.0),        T(0.5)};
  R p = V::set1(c[f32 ? 6 : 0]);
  for (int i = f32 ? 7 : 1; i < 12; ++i) p = V::fma(p, r, V::set1(c[i]));
  power = V::exp2i(n);
  return V::fma(V::mul(r, r), p, r);
}

// It keeps its relative accuracy at 0, where tanh needs it.
template <class T>
IL_INLINE typename Vec<T>::R expm1_in_range(typename Vec<T>::R x) {
  using V = Vec<T>;
  typename V::R s;
  const typename V::R p = expm1_reduced<T>(x, s);
  return V::fma(s, p, V::sub(s, V::set1(T(1))));
}

// Results below the normal range are 0, above it the largest power that fits (what uses this saturates there); NaN
// stays.
template <class T>
IL_INLINE typename Vec<T>::R exp(typename Vec<T>::R x) {
  using V = Vec<T>;
  constexpr bool f32 = sizeof(T) == 4;
  const typename V::R low = V::set1(f32 ? T(-87.3) : T(-708.3)), high = V::set1(f32 ? T(88.3) : T(709.4));
  typename V::R s;
  const typename V::R p = expm1_reduced<T>(V::min(high, V::max(low, x)), s);
  const typename V::R y = V::fma(s, p, s);
  return V::sub(y, V::positive(V::sub(low, x), y));  // y - y where x < low
}

template <class T>
IL_INLINE typename Vec<T>::R tanh(typename Vec<T>::R x) {
  using V = Vec<T>;
  // Beyond 20 (40 in the exponent) tanh is 1 to the last bit; min's second operand keeps a NaN a NaN.
  const typename V::R y = V::min(V::set1(T(40)), V::mul(V::abs(x), V::set1(T(2))));
  const typename V::R e = expm1_in_range<T>(V::sub(V::zero(), y));
  const typename V::R t = V::div(V::sub(V::zero(), e), V::add(e, V::set1(T(2))));
  return V::copysign(t, x);
}

template <class T>
IL_INLINE typename Vec<T>::R logistic(typename Vec<T>::R x) {
  using V = Vec<T>;
  const typename V::R one = V::set1(T(1));
  return V::div(one, V::add(one, exp<T>(V::sub(V::zero(), x))));
}

// max(x, 0) + log(1 + e^-|x|); log1p(y) = 2 atanh(y / (2 + y)), whose series converges like 9^-k on y in (0, 1].
template <class T>
IL_INLINE typename Vec<T>::R softplus(typename Vec<T>::R x) {
  using V = Vec<T>;
  using R = typename V::R;
  const R y = exp<T>(V::sub(V::zero(), V::abs(x)));
  const R s = V::div(y, V::add(y, V::set1(T(2))));
  const R q = V::mul(s, s);
  constexpr int terms = sizeof(T) == 4 ? 8 : 17;
  R p = V::set1(T(1) / T(2 * terms + 1));
  for (int k = terms - 1; k >= 0; --k) p = V::fma(p, q, V::set1(T(1) / T(2 * k + 1)));
  return V::fma(V::mul(s, V::set1(T(2))), p, V::max(V::zero(), x));
}

// ---------------------------------------------------------------------------------------------- activations

template <Activation F, class T>
IL_INLINE typename Vec<T>::R value(typename Vec<T>::R z) {
  using V = Vec<T>;
  if constexpr (F == Activation::relu)
    return V::max(V::zero(), z);  // NaN stays
  else if constexpr (F == Activation::tanh)
    return tanh<T>(z);
  else if constexpr (F == Activation::sigmoid)
    return logistic<T>(z);
  else
    return softplus<T>(z);
}

// Gives the first or second derivative times x, from what the forward pass left.
template <Activation F, class T>
IL_INLINE typename Vec<T>::R times_first(typename Vec<T>::R z, typename Vec<T>::R a, typename Vec<T>::R x) {
  using V = Vec<T>;
  if constexpr (F == Activation::relu)
    return V::positive(z, x);
  else if constexpr (F == Activation::tanh)
    return V::fnma(V::mul(a, a), x, x);
  else if constexpr (F == Activation::sigmoid)
    return V::mul(V::fnma(a, a, a), x);
  else
    return V::mul(logistic<T>(z), x);
}

template <Activation F, class T>
IL_INLINE typename Vec<T>::R times_second(typename Vec<T>::R z, typename Vec<T>::R a, typename Vec<T>::R x) {
  using V = Vec<T>;
  const typename V::R one = V::set1(T(1)), two = V::set1(T(2));
  if constexpr (F == Activation::relu)
    return V::zero();
  else if constexpr (F == Activation::tanh)
    return V::mul(V::mul(V::sub(V::zero(), two), a), V::fnma(V::mul(a, a), x, x));
  else if constexpr (F == Activation::sigmoid)
    return V::mul(V::mul(V::fnma(a, a, a), V::fnma(two, a, one)), x);
  else {
    const typename V::R s = logistic<T>(z);
    return V::mul(V::fnma(s, s, s), x);
  }
}

template <Activation F, class T>
void forward_of(Index n, const T* z, T* a) {
  using V = Vec<T>;
  each<T>(
      n, [&](Index i) { V::store(a + i, value<F, T>(V::load(z + i))); },
      [&](Index i, Index r) { V::store_n(a + i, r, value<F, T>(V::load_n(z + i, r))); });
}

// y = x f'(z)
template <Activation F, class T>
void first_of(Index n, const T* z, const T* a, const T* x, T* y) {
  using V = Vec<T>;
  each<T>(
      n, [&](Index i) { V::store(y + i, times_first<F, T>(V::load(z + i), V::load(a + i), V::load(x + i))); },
      [&](Index i, Index r) {
        V::store_n(y + i, r, times_first<F, T>(V::load_n(z + i, r), V::load_n(a + i, r), V::load_n(x + i, r)));
      });
}

template <Activation F, class T>
void second_of(Index n, const T* z, const T* a, const T* tz, const T* da, const T* tda, T* tdz) {
  using V = Vec<T>;
  each<T>(
      n,
      [&](Index i) {
        const typename V::R zi = V::load(z + i), ai = V::load(a + i), x = V::mul(V::load(da + i), V::load(tz + i));
        V::store(tdz + i, V::add(times_first<F, T>(zi, ai, V::load(tda + i)), times_second<F, T>(zi, ai, x)));
      },
      [&](Index i, Index r) {
        const typename V::R zi = V::load_n(z + i, r), ai = V::load_n(a + i, r);
        const typename V::R x = V::mul(V::load_n(da + i, r), V::load_n(tz + i, r));
        V::store_n(tdz + i, r, V::add(times_first<F, T>(zi, ai, V::load_n(tda + i, r)), times_second<F, T>(zi, ai, x)));
      });
}

template <class T>
void activation_forward(Activation f, Index n, const T* z, T* a) {
  switch (f) {
    case Activation::relu:
      return forward_of<Activation::relu>(n, z, a);
    case Activation::tanh:
      return forward_of<Activation::tanh>(n, z, a);
    case Activation::sigmoid:
      return forward_of<Activation::sigmoid>(n, z, a);
    default:
      return forward_of<Activation::softplus>(n, z, a);
  }
}

template <class T>
void activation_backward(Activation f, Index n, const T* z, const T* a, const T* da, T* dz) {
  switch (f) {
    case Activation::relu:
      return first_of<Activation::relu>(n, z, a, da, dz);
    case Activation::tanh:
      return first_of<Activation::tanh>(n, z, a, da, dz);
    case Activation::sigmoid:
      return first_of<Activation::sigmoid>(n, z, a, da, dz);
    default:
      return first_of<Activation::softplus>(n, z, a, da, dz);
  }
}

template <class T>
void activation_tangent_backward(Activation f, Index n, const T* z, const T* a, const T* tz, const T* da, const T* tda,
                                 T* tdz) {
  if (!tz || f == Activation::relu) return activation_backward<T>(f, n, z, a, tda, tdz);
  switch (f) {
    case Activation::tanh:
      return second_of<Activation::tanh>(n, z, a, tz, da, tda, tdz);
    case Activation::sigmoid:
      return second_of<Activation::sigmoid>(n, z, a, tz, da, tda, tdz);
    default:
      return second_of<Activation::softplus>(n, z, a, tz, da, tda, tdz);
  }
}
