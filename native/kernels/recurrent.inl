// The elementwise parts of a gated recurrent unit, on one row: plain loops, which the compiler puts into the registers
// of the target region that includes this file, and which are the reference as they are.
//
// A row holds r | z | m | n | h, H numbers each (layers/gru.h). `before` and `t_before` are the state that came before
// and its tangent, zeros where there is none.

// n's argument += r ∘ m.
template <class T>
void gru_candidate(Index H, T* __restrict g) {
  for (Index i = 0; i < H; ++i) g[3 * H + i] += g[i] * g[2 * H + i];
}

// h' = (1 − z) ∘ n + z ∘ h.
template <class T>
void gru_state(Index H, const T* __restrict before, T* __restrict g) {
  for (Index i = 0; i < H; ++i) g[4 * H + i] = (1 - g[H + i]) * g[3 * H + i] + g[H + i] * before[i];
}

// From the adjoint of h' those of the arguments of r, z and n, and of m, each in its place.
template <class T>
void gru_adjoint(Index H, const T* __restrict g, const T* __restrict before, T* __restrict d) {
  for (Index i = 0; i < H; ++i) {
    const T r = g[i], z = g[H + i], m = g[2 * H + i], n = g[3 * H + i], dh = d[4 * H + i];
    const T an = dh * (1 - z) * (1 - n * n);
    d[3 * H + i] = an;
    d[2 * H + i] = an * r;
    d[i] = an * m * r * (1 - r);
    d[H + i] = dh * (before[i] - n) * z * (1 - z);
  }
}

// From the tangents of the arguments of r, z and n and of m those of r, z, n and h', each in its place.
template <class T>
void gru_tangent(Index H, const T* __restrict g, const T* __restrict before, const T* __restrict t_before,
                 T* __restrict t) {
  for (Index i = 0; i < H; ++i) {
    const T r = g[i], z = g[H + i], m = g[2 * H + i], n = g[3 * H + i];
    const T tr = t[i] * r * (1 - r), tz = t[H + i] * z * (1 - z);
    const T tn = (1 - n * n) * (t[3 * H + i] + tr * m + r * t[2 * H + i]);
    t[i] = tr;
    t[H + i] = tz;
    t[3 * H + i] = tn;
    t[4 * H + i] = (1 - z) * tn + tz * (before[i] - n) + z * t_before[i];
  }
}

// The directional derivative of gru_adjoint: of values g, their tangents t and the adjoints d that it left.
template <class T>
void gru_tangent_adjoint(Index H, const T* __restrict g, const T* __restrict before, const T* __restrict t,
                         const T* __restrict t_before, const T* __restrict d, T* __restrict td) {
  for (Index i = 0; i < H; ++i) {
    const T r = g[i], z = g[H + i], m = g[2 * H + i], n = g[3 * H + i], h = before[i];
    const T tr = t[i], tz = t[H + i], tm = t[2 * H + i], tn = t[3 * H + i], th = t_before[i];
    const T an = d[3 * H + i], dh = d[4 * H + i], tdh = td[4 * H + i];
    const T dn = dh * (1 - z), tdn = tdh * (1 - z) - dh * tz;
    const T tan = tdn * (1 - n * n) - 2 * dn * n * tn;
    const T dr = an * m, tdr = tan * m + an * tm;
    const T dz = dh * (h - n), tdz = tdh * (h - n) + dh * (th - tn);
    td[3 * H + i] = tan;
    td[2 * H + i] = tan * r + an * tr;
    td[i] = tdr * r * (1 - r) + dr * (1 - 2 * r) * tr;
    td[H + i] = tdz * z * (1 - z) + dz * (1 - 2 * z) * tz;
  }
}

// dh = dh' ∘ z of the next step; with the tangents t of the next step's values, and its plain adjoints: + dh' ∘ tz.
template <class T>
void gru_carry(Index H, const T* __restrict g, const T* __restrict next, const T* __restrict t,
               const T* __restrict plain, T* __restrict dh) {
  for (Index i = 0; i < H; ++i) dh[i] = next[4 * H + i] * g[H + i];
  if (!t) return;
  for (Index i = 0; i < H; ++i) dh[i] += plain[4 * H + i] * t[H + i];
}
