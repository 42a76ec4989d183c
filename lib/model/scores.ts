import type { LossSpec, ScoreKind } from '../foundation/contract.js';
import { lossOf, outputsOf } from './losses.js';

/** One score a row, by the link of the head's loss, with the offset added where it is the output itself. @internal */
export function scoresOf(head: LossSpec, outputs: ArrayLike<number>, offset: number): Float64Array {
  if (lossOf(head).link !== 'expectedClass') {
    const scores = new Float64Array(outputs.length);
    for (let i = 0; i < scores.length; i++) scores[i] = outputs[i] + offset;
    return scores;
  }
  const classes = outputsOf(head);
  return Float64Array.from({ length: outputs.length / classes }, (_, r) => {
    let top = -Infinity;
    for (let c = 0; c < classes; c++) top = Math.max(top, outputs[r * classes + c]);
    let total = 0;
    let mean = 0;
    for (let c = 0; c < classes; c++) {
      const p = Math.exp(outputs[r * classes + c] - top);
      total += p;
      mean += p * c;
    }
    return mean / total;
  });
}

/** Scores as what a metric takes: estimates of labels or probabilities, unless any number to sort by will do. @internal */
export function scoresAs(kind: ScoreKind, head: LossSpec, outputs: Float64Array): Float64Array {
  const scores = scoresOf(head, outputs, 0);
  // To sort by, the outputs themselves are better: far from 0 their sigmoids are all the same number.
  return kind === 'order' || lossOf(head).link !== 'logistic' ? scores : scores.map((o) => 1 / (1 + Math.exp(-o)));
}
