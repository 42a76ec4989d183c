/** Two-sided tail of the standard normal, P(|Z| ≥ z) = erfc(z / √2), to about 1e-14 relative. */
export function normalTail(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  if (x < 2.5) {
    // erf(x) = 2/√π · e^(−x²) Σ 2ⁿ x^(2n+1) / (2n + 1)!!  (Abramowitz & Stegun 7.1.6): all terms positive, no cancellation.
    let term = x;
    let sum = x;
    for (let n = 1; term > 1e-17 * sum; n++) sum += term *= (2 * x * x) / (2 * n + 1);
    return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
  }
  // erfc(x) = e^(−x²)/√π · 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …))))  (7.1.14), from the inside out.
  let fraction = x;
  for (let n = 120; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}

/** P(Z ≤ z). */
export const normalCdf = (z: number): number => (z > 0 ? 1 - normalTail(z) / 2 : normalTail(z) / 2);

/** z with P(Z ≤ z) = p, by bisection on the tail, which is exact; ±∞ at 0 and 1. */
export function normalQuantile(p: number): number {
  if (p <= 0 || p >= 1) return p <= 0 ? -Infinity : Infinity;
  let [low, high] = [-40, 40];
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
