/**
 * A sequential test, whose result may be read after every event. If a variant changes nothing, each person who converts belongs to
 * variant B with probability π, the share of B among both variants, because a hash that is independent of behaviour divides people.
 * The likelihood of the assignments under a Beta(a, b) mixture of other probabilities, divided by that under π,
 *
 *     E_n = B(a + k, b + n − k) / B(a, b) / (π^k (1 − π)^(n − k)),       k of n converted people in B,
 *
 * is a martingale of mean 1 when π is true (Robbins 1970; Johari, Pekelis & Walsh 2015, mSPRT), so that E_n ≥ 1/α ever happens with
 * probability at most α (Ville 1939), whenever and however often the result is read. A person counts only once, at the first
 * conversion, because later ones are not independent of it. The set of θ with E_n(θ) < 1/α is a confidence sequence for the share
 * of B among those who convert, and thereby for the ratio of the two conversion rates, θ/(1 − θ) · (1 − π)/π.
 */
import { checkFraction, checkInteger, invalid } from '../../foundation/check.js';

/** What `sequentialTest` returns. */
export interface SequentialResult {
  /** E_n. The variants differ significantly from 1/α on. */
  evidence: number;
  /** The p-value min(1, 1 / E_n), valid at any time; the smallest seen over time is valid too. */
  p: number;
  /** Conversion rate of B over that of A. */
  ratio: number;
  /** Bounds of the always-valid confidence interval of the ratio, at level 1 − α. */
  low: number;
  /** Upper end of that interval. */
  high: number;
  /** Whether the evidence has passed 1/α. */
  isSignificant: boolean;
}

/** a + b of the mixture's Beta prior, in people. Smaller values detect large differences earlier, larger values small ones. */
const CONCENTRATION = 100;

/**
 * Tests whether two variants have the same conversion rate.
 * @param a converted people of variant A
 * @param b converted people of variant B
 * @param share share of B among the people of both variants
 * @param alpha probability of a false detection
 */
export function sequentialTest(a: number, b: number, share = 0.5, alpha = 0.05): SequentialResult {
  checkInteger(a, 'a', 0);
  checkInteger(b, 'b', 0);
  checkFraction(share, 'share');
  checkFraction(alpha, 'alpha');
  const logEvidence = (theta: number) => mixture(a, b, share) - likelihood(a, b, theta);
  const evidence = Math.exp(logEvidence(share));
  const threshold = -Math.log(alpha);
  const n = a + b;
  const peak = n === 0 ? share : b / n;
  const odds = (1 - share) / share;
  const ratioOf = (theta: number) => (theta === 1 ? Infinity : (theta / (1 - theta)) * odds);
  // The evidence against θ grows with the distance from the peak, so bisection finds where it crosses the threshold.
  const edge = (from: number, to: number) => {
    let [inside, outside] = [from, to];
    for (let i = 0; i < 60; i++) {
      const middle = (inside + outside) / 2;
      if (logEvidence(middle) < threshold) inside = middle;
      else outside = middle;
    }
    return outside;
  };
  return {
    evidence,
    p: Math.min(1, 1 / evidence),
    ratio: n === 0 ? 1 : ratioOf(peak),
    low: n === 0 ? 0 : ratioOf(edge(peak, 0)),
    high: n === 0 ? Infinity : ratioOf(edge(peak, 1)),
    isSignificant: evidence >= 1 / alpha,
  };
}

/** The Beta parameters for A and B, with the mean at the null hypothesis. */
function prior(share: number): [a: number, b: number] {
  return [CONCENTRATION * (1 - share), CONCENTRATION * share];
}

function mixture(a: number, b: number, share: number): number {
  const [inA, inB] = prior(share);
  return logBeta(inA + a, inB + b) - logBeta(inA, inB);
}

function likelihood(a: number, b: number, theta: number): number {
  const term = (count: number, p: number) => (count === 0 ? 0 : count * Math.log(p));
  return term(b, theta) + term(a, 1 - theta);
}

function logBeta(x: number, y: number): number {
  return logGamma(x) + logGamma(y) - logGamma(x + y);
}

/** ln Γ(x) by Stirling's series, accurate to 1e-14 above 10; smaller arguments are raised by Γ(x) = Γ(x + 1) / x. */
export function logGamma(x: number): number {
  if (!(x > 0)) throw invalid('x', 'not positive', x, 'a number above 0');
  let shift = 0;
  while (x < 10) shift -= Math.log(x++);
  const r = 1 / (x * x);
  const series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / x;
  return shift + (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series;
}
