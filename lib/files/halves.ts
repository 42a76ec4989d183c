/** Floats of 16 bits, which files of embeddings hold: float32 holds all their values. */

/** IEEE 754 binary16: 1 bit of sign, 5 of exponent (bias 15), 10 of fraction. @internal */
export function fromHalf(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const half = halves[i];
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    let magnitude: number;
    if (exponent === 31) magnitude = fraction === 0 ? Infinity : NaN;
    else if (exponent === 0) magnitude = fraction * 2 ** -24;
    else magnitude = (1024 + fraction) * 2 ** (exponent - 25);
    values[i] = half & 0x8000 ? -magnitude : magnitude;
  }
  return values;
}

/** bfloat16: the first half of a float32. @internal */
export function fromBfloat16(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, (half) => half * 2 ** 16).buffer);
}
