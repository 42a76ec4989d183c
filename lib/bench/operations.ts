/**
 * What a meta-gradient costs one task, counted from the same loops that the core runs (native/task/, native/solvers/,
 * native/layers/linear.h).
 *
 * Counted: each multiply-add of every matrix product. Not counted: element-wise functions, losses, sums over rows, copies. An
 * inner update costs nothing: its gradient adds up in the copy of the parameters. A multiply-add is two operations.
 */

import { addon } from '../foundation/addon.js';

export interface LinearShape {
  inputs: number;
  outputs: number;
  /** Whether the inner loop adapts the weight and the bias. */
  weight: boolean;
  bias: boolean;
}

/** An MLP on dense inputs at one fixed learning rate, K ≥ 1 steps, S ≥ 1 support and Q ≥ 1 query rows. */
export interface Work {
  layers: readonly LinearShape[];
  support: number;
  query: number;
  steps: number;
  order: 1 | 2;
}

export type Form = 'direct' | 'gram';

/** Position of the first adapted layer: those below it run once a task, not once a step. */
const firstFast = (layers: readonly LinearShape[]) => layers.findIndex(({ weight, bias }) => weight || bias);

/** The core's own choice, which is a rule of thumb: the counts of {@link countOperations} are of what runs after it. */
export function chosenForm({ layers, support, query, steps, order }: Work): Form {
  const first = firstFast(layers);
  if (first < 0 || steps === 0) return 'direct';
  const { inputs, outputs, weight, bias } = layers[first];
  // Without both there is no Gram form.
  if (!weight || !bias) return 'direct';
  const work = { inputs, outputs, support, query, steps, order, layersBelow: first > 0 };
  return addon().decisions.form(work) === 'gram' ? 'gram' : 'direct';
}

/** Operations of the meta-gradient of one task. @param form default: what the core chooses */
export function countOperations(work: Work, form: Form = chosenForm(work)): number {
  return 2 * (adaptation(work, form) + queryPass(work, form) + (work.order === 2 ? reversePass(work, form) : 0));
}

// Multiply-adds. D × H is the first adapted layer, which has a Gram form; `each` is one product of a layer with a row.

/** `Task::adapt`: the layers below once, then K forward and backward passes over the support rows. */
function adaptation({ layers, support: S, steps: K }: Work, form: Form): number {
  const first = firstFast(layers);
  const gram = form === 'gram';
  const { inputs: D, outputs: H } = layers[first];
  let total = gram ? S * D * H + (K > 1 ? S * S * D : 0) + (K - 1) * S * S * H : 0;
  layers.forEach(({ inputs, outputs, weight }, l) => {
    const each = inputs * outputs;
    if (l < first) total += S * each;
    if (l < first || (gram && l === first)) return;
    // Forward; the weight's gradient; the gradient of the rows, which the first adapted layer need not know.
    total += K * S * each * (1 + (weight ? 1 : 0) + (l > first ? 1 : 0));
  });
  return total;
}

/** `Reverse::query` and `Gram::finish`: forward and backward over the query rows at θ_K. */
function queryPass({ layers, support: S, query: Q }: Work, form: Form): number {
  const first = firstFast(layers);
  let total = 0;
  layers.forEach(({ inputs, outputs }, l) => {
    total += Q * inputs * outputs * (l > 0 ? 3 : 2);
    if (form === 'direct' || l !== first) return;
    const correction = Q * S * inputs + Q * S * outputs;
    total += correction * (l > 0 ? 2 : 1);
  });
  return total;
}

/** `Curvature::product`: K Hessian-vector products, then the layers below, once. */
function reversePass({ layers, support: S, query: Q, steps: K }: Work, form: Form): number {
  const first = firstFast(layers);
  const gram = form === 'gram';
  const below = first > 0;
  const { inputs: D, outputs: H } = layers[first];
  let total = 0;
  if (gram) total += S * D * H + S * Q * H + (K - 1) * S * S * H * (below ? 3 : 1); // Aᵀ U, (A Xᵀ + 1) P, each step but one
  if (gram && below) total += S * D * H + (K > 1 ? S * S * D : 0) + S * Q * H + S * Q * D;
  layers.forEach(({ inputs, outputs, weight }, l) => {
    const each = inputs * outputs;
    if (l < first) {
      total += S * each * (l > 0 ? 2 : 1);
      return;
    }
    if (gram && l === first) return;
    const direction = weight ? 1 : 0; // along this weight
    const tangent = l > first ? 1 : 0; // from the layer below
    const further = l > first || below ? 1 : 0; // to the layer below
    total += K * S * each * (direction + tangent + (1 + tangent) + further * (1 + direction));
  });
  return total;
}

// ----------------------------------------------------------------------------------------------------- working set

/**
 * Bytes that the core takes from its arena for one task at a time, reused from task to task: an estimate, within about a
 * fifth. In elements, with P the adapted parameters (less the Gram layer's), T the adapted weights above the first adapted layer
 * (of more than one output), which every step transposes, s the widths of all activations from the first adapted layer up, p
 * those below it and its input, and 2 for a value and its gradient:
 *
 *     order 1:  4 P (θ_0, two of θ_k, v) + 2 T + S p + 2 S s + 2 Q (p + s) + twice the largest weight
 *     order 2:  (K + 3) P (θ_0 … θ_K, v, d) + K T + S p + 2 S s (K + 1: a tangent) + 2 Q (p + s) + the same
 *     Gram:     + (K + 3) S H + S² + Q S + one more transpose; order 2: + S H
 *
 * and what the layers below it take at order 2 if they learn. The shared parameters, and the gradients that tasks add up in,
 * come on top.
 */
export function workingSet(work: Work, bytesPerElement: number, form: Form = chosenForm(work)): number {
  const { layers, support: S, query: Q, steps: K, order } = work;
  const first = firstFast(layers);
  const gram = form === 'gram';
  const { inputs: D, outputs: H } = layers[first];
  const last = layers.length - 1;
  // A hidden layer leaves two activations: before and after its nonlinearity.
  const widths = layers.map(({ outputs }, l) => outputs * (l < last ? 2 : 1));
  const sum = (from: number, to: number) => widths.slice(from, to).reduce((a, b) => a + b, 0);
  const above = sum(first, layers.length);
  const below = layers[0].inputs + sum(0, first);
  const adapted = layers.reduce((size, { inputs, outputs, weight, bias }, l) => {
    return gram && l === first ? size : size + (weight ? inputs * outputs : 0) + (bias ? outputs : 0);
  }, 0);
  const second = order === 2;
  const transposed = layers.reduce(
    (size, { inputs, outputs, weight }, l) => size + (l > first && weight && outputs > 1 ? inputs * outputs : 0),
    0,
  );
  let elements = adapted * (second ? K + 3 : 4) + transposed * (second ? K : 2);
  elements += S * below + 2 * S * above * (second ? K + 1 : 1) + 2 * Q * (below + above);
  elements += 2 * Math.max(...layers.map(({ inputs, outputs }) => inputs * outputs));
  if (second && first > 0) elements += 2 * S * D + 2 * S * below;
  if (gram) {
    elements += Math.max(Math.max(S, Q) * Math.max(D, H), D * H, S * Math.max(S, Q));
    elements += S * H * (K + 3) + S * S + Q * S + (first > 0 ? Q * S : 0);
    if (second) elements += S * H + (first > 0 ? S * S + Q * S + K * S * H : 0);
  }
  return elements * bytesPerElement;
}
