/** What is measured: one base case, and sweeps that change one factor of it. */

export const FACTORS = ['support', 'width', 'depth', 'steps', 'tasks', 'threads'] as const;
export type Factor = (typeof FACTORS)[number];

/** One problem: an MLP under squared error, and equal tasks. */
export interface Case {
  /** Values per row. */
  inputs: number;
  /** Widths of the hidden layers, relu between them; one output. */
  hidden: number[];
  /** Support rows of a task. */
  support: number;
  /** Query rows of a task. */
  query: number;
  /** Tasks of a call: the meta-batch. */
  tasks: number;
  /** Adaptation steps K. */
  steps: number;
  threads: number;
}

/** One line of a chart: the points of a sweep at one number of steps. */
export interface SweepSeries {
  /** K of every point; absent where K is what varies. */
  steps?: number;
  /** Positions in the list of points, one for each value. */
  points: number[];
}
export interface Sweep {
  factor: Factor;
  values: number[];
  series: SweepSeries[];
}

const BASE = { inputs: 256, hidden: [64, 64], support: 20, query: 10, tasks: 32 };
const BASE_STEPS = [1, 5];

const VALUES: Record<Exclude<Factor, 'threads'>, number[]> = {
  support: [5, 10, 20, 40, 60],
  width: [16, 32, 64, 128, 256],
  depth: [1, 2, 3, 4],
  steps: [1, 2, 5, 10],
  tasks: [1, 8, 32, 128, 256],
};

const CHANGE: Record<Factor, (base: Case, value: number) => Partial<Case>> = {
  support: (_, support) => ({ support }),
  width: ({ hidden }, width) => ({ hidden: hidden.map(() => width) }),
  depth: ({ hidden }, depth) => ({ hidden: Array.from({ length: depth }, () => hidden[0]) }),
  steps: (_, steps) => ({ steps }),
  tasks: (_, tasks) => ({ tasks }),
  threads: (_, threads) => ({ threads }),
};

/** The base case at each of its K, first in the list, then what the sweeps add; a case met twice is one point. */
export function plan(factors: readonly Factor[], threads: number): { cases: Case[]; base: number[]; sweeps: Sweep[] } {
  const cases: Case[] = [];
  const point = (wanted: Case): number => {
    const key = JSON.stringify(wanted);
    const known = cases.findIndex((c) => JSON.stringify(c) === key);
    return known >= 0 ? known : cases.push(wanted) - 1;
  };
  const bases = BASE_STEPS.map((steps): Case => ({ ...BASE, steps, threads }));
  const base = bases.map(point);
  const sweeps = factors.map((factor): Sweep => {
    const values = factor === 'threads' ? threadCounts(threads) : VALUES[factor];
    const starts = factor === 'steps' ? bases.slice(0, 1) : bases;
    const series = starts.map((start) => {
      const points = values.map((value) => point({ ...start, ...CHANGE[factor](start, value) }));
      return factor === 'steps' ? { points } : { steps: start.steps, points };
    });
    return { factor, values, series };
  });
  return { cases, base, sweeps };
}

/** Every count up to 8, then powers of two, and the last one. */
function threadCounts(most: number): number[] {
  const counts: number[] = [];
  for (let n = 1; n < most; n = n < 8 ? n + 1 : n * 2) counts.push(n);
  return [...counts, most];
}

/** `256 → 64 → 64 → 1`. */
export const networkOf = ({ inputs, hidden }: Case) => [inputs, ...hidden, 1].join(' → ');
