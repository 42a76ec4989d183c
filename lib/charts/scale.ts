import { digits } from './format.js';

export interface Scale {
  ticks: number[];
  /** Share of the axis, 0 to 1, not cut. */
  share(value: number): number;
  isLog: boolean;
}

/** An axis from about `low` to about `high`, on round numbers. */
export function linearScale(low: number, high: number, most = 5): Scale {
  const span = high - low || Math.abs(high) || 1;
  const rough = span / (most - 1);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * ([1, 2, 2.5, 5].find((factor) => factor * unit >= rough * 0.999) ?? 10);
  const [from, to] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  const ticks = Array.from({ length: Math.max(1, to - from) + 1 }, (_, i) =>
    Number(((from + i) * step).toPrecision(12)),
  );
  const [bottom, top] = [ticks[0], ticks[ticks.length - 1]];
  return { ticks, isLog: false, share: (value) => (value - bottom) / (top - bottom) };
}

/** 1-2-5 ticks, or powers of ten where those would be many. */
export function logScale(low: number, high: number): Scale {
  const [from, to] = [Math.log(low), Math.log(high)];
  const ticks = (factors: readonly number[]) => {
    const found: number[] = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) {
      for (const factor of factors)
        if (factor * 10 ** e >= low && factor * 10 ** e <= high) found.push(factor * 10 ** e);
    }
    return found;
  };
  const fine = ticks([1, 2, 5]);
  return {
    ticks: fine.length <= 7 ? fine : ticks([1]),
    isLog: true,
    share: (value) => (Math.log(value) - from) / (to - from),
  };
}

export function tickLabel(tick: number): string {
  if (Math.abs(tick) >= 10_000) return `${Number((tick / 1000).toPrecision(3))}k`;
  return String(Number(tick.toPrecision(4))).replace('-', '−');
}

/** A value for people, with its interval where it has one. */
export function valueText(y: number, low: number | null | undefined, high: number | null | undefined): string {
  const range =
    low === null || low === undefined || high === null || high === undefined
      ? ''
      : ` (${signed(low)} to ${signed(high)})`;
  return `${signed(y)}${range}`;
}
const signed = (value: number) => (value < 0 ? `−${digits(-value)}` : digits(value));
