/** One score a row: the output itself plus the offset, or the expected class of a softmax. @internal */
export function scoresOf(
  head: { loss: string; classes?: number },
  outputs: ArrayLike<number>,
  offset: number,
): Float64Array {
  if (head.loss !== 'softmax') {
    const scores = new Float64Array(outputs.length);
    for (let i = 0; i < scores.length; i++) scores[i] = outputs[i] + offset;
    return scores;
  }
  const classes = head.classes!;
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
