/** Operations of a case, in the two ways that a share of the peak is reported. */
import { countOperations } from '../lib/bench/operations.js';
import type { Work } from '../lib/bench/operations.js';
import type { Case, Problem } from './matrix.js';

/**
 * `executed`: multiply-adds that the core performs, two operations each. `direct`: those it would if it formed every product
 * of activations and weights as written. Of a layer I → O, S support and Q query rows and K steps, in units of I·O:
 *
 *     inner step     forward S, weight gradient S, input gradient S (not into the first layer)
 *     query          forward Q, weight gradient Q, input gradient Q (not into the first layer)
 *     second order   a step's tangents: forward 2 S, backward 4 S; the first layer, whose input has no tangent: 1 S and 1 S
 */
export function operationsOf(
  problem: Problem,
  { steps, order }: Pick<Case, 'steps' | 'order'>,
): { direct: number; executed: number } {
  const work = workOf(problem, { steps, order });
  return { direct: problem.tasks * countOperations(work, 'direct'), executed: problem.tasks * countOperations(work) };
}

/** One task of a problem, all of whose layers adapt. */
export function workOf(
  { support, query, inputs, hidden }: Problem,
  { steps, order }: Pick<Case, 'steps' | 'order'>,
): Work {
  const widths = [inputs, ...hidden, 1];
  const layers = widths.slice(1).map((outputs, l) => ({ inputs: widths[l], outputs, weight: true, bias: true }));
  return { layers, support, query, steps, order };
}
