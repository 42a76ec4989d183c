/** Numbers as people read them: three significant digits and a unit. */

function scaled(value: number, steps: readonly [number, string][]): string {
  const [unit, name] = steps.find(([size]) => value >= size) ?? steps[steps.length - 1];
  return `${digits(value / unit)} ${name}`;
}

/** Three significant digits, never in exponent form. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const magnitude = Math.floor(Math.log10(Math.abs(value) || 1));
  return value.toFixed(Math.min(6, Math.max(0, 2 - magnitude)));
}

export const duration = (seconds: number) =>
  scaled(seconds, [
    [1, 's'],
    [1e-3, 'ms'],
    [1e-6, 'µs'],
  ]);
export const count = (operations: number) =>
  scaled(operations, [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
    [1, ''],
  ]).trim();
export const bytes = (size: number) =>
  scaled(size, [
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
    [1, 'B'],
  ]);
export const rate = (perSecond: number) =>
  scaled(perSecond, [
    [1e12, 'TFLOP/s'],
    [1e9, 'GFLOP/s'],
    [1e6, 'MFLOP/s'],
  ]);
export const micros = (seconds: number) => digits(seconds * 1e6);

/** What a point of a sweep is called where the rest is the base case. */
export const FACTOR_NAMES = {
  support: 'support rows',
  width: 'hidden width',
  depth: 'hidden layers',
  steps: 'adaptation steps K',
  tasks: 'tasks per call',
  threads: 'threads',
} as const;
