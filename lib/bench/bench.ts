/** What first and second order cost on this machine: problems, checks, timings and counts, as one plain JSON report. */
import { checkNotAborted } from '../foundation/abort.js';
import { cpus } from 'node:os';
import { addon, operations } from '../foundation/addon.js';
import { checkInteger, checkOneOf, checkSeed } from '../foundation/check.js';
import type { Precision } from '../foundation/contract.js';
import { FACTORS, networkOf, plan } from './cases.js';
import type { Case, Factor, Sweep } from './cases.js';
import { chosenForm, countOperations, workingSet } from './operations.js';
import type { Form, LinearShape, Work } from './operations.js';
import { layersOf, prepareProblem } from './problem.js';
import type { Adapt, Problem } from './problem.js';
import { alternate, BUDGET, noSamples, quantiles, QUICK_BUDGET, spread } from './timing.js';
import type { Quantiles, Samples } from './timing.js';

export interface BenchOptions {
  /** Factors to sweep. Default: none, the base case only. */
  vary?: readonly Factor[];
  /** Few and short rounds: to see that it works. Default false. */
  quick?: boolean;
  /** Default `float32`. */
  precision?: Precision;
  /** Default `all`. */
  adapt?: Adapt;
  /** Threads of the base case. Default: all hardware threads. */
  threads?: number;
  /** Seed of data and parameters. Default 1. */
  seed?: number;
  signal?: AbortSignal;
  /** Called before each piece of work: which of how many, and what. */
  progress?: (done: number, total: number, what: string) => void;
}

/** One order of one point. Times and counts are per task. */
export interface OrderCost {
  rounds: number;
  /** Wall seconds: time of a call ÷ tasks. */
  time: Quantiles;
  /** CPU seconds of the whole process ÷ tasks, mean over calls. */
  cpu: number;
  /** CPU time ÷ wall time: how many cores worked on it. */
  cores: number;
  /** How the core computes the first adapted layer here. */
  form: Form;
  /** Operations (multiply-adds × 2) of that form, and what the direct form would take. */
  operations: number;
  directOperations: number;
  gflops: number;
  /** Share of the measured peak of one thread, times the threads. */
  percentOfPeak: number;
  /** The share by CPU time: operations ÷ CPU seconds, of the peak of one thread. Other processes hardly change it. */
  percentOfPeakByCpu: number;
  /** Bytes of scratch of one task, estimated. */
  workingSet: number;
}
export interface Point {
  case: Case;
  /** `native` is what training pays; `api` is `metaGradient()` with plain tensors in and out. */
  through: 'native' | 'api';
  first: OrderCost;
  second: OrderCost;
  /** Median of the second order ÷ median of the first. */
  ratio: number;
  /** Quantiles of the ratios within one round. */
  ratios: Quantiles;
}
export interface BenchReport {
  version: string;
  date: string;
  seconds: number;
  machine: {
    cpu: string;
    hardwareThreads: number;
    platform: string;
    node: string;
    isa: string;
    /** Operations a second of one thread's fused multiply-adds, measured before and after. */
    peak: number;
    /** Cores that other processes kept busy meanwhile; null where the system does not tell. */
    otherLoad: number | null;
  };
  precision: Precision;
  seed: number;
  adapt: Adapt;
  quick: boolean;
  /** Positions in `points`. */
  base: number[];
  api: number[];
  sweeps: Sweep[];
  points: Point[];
  warnings: string[];
}

/** Past this distance of the 10 % and 90 % quantiles, in medians, a timing is called wide. */
export const WIDE_SPREAD = 0.5;
const BUSY_CORES = 0.25;

/**
 * Measures the base case, and what `vary` adds to it. Gradients are checked before they are timed.
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; NATIVE if a gradient is wrong; ABORTED
 */
export async function runBench(version: string, options: BenchOptions = {}): Promise<BenchReport> {
  const { hardwareThreads, isa } = addon();
  const {
    vary = [],
    quick = false,
    precision = 'float32',
    adapt = 'all',
    threads = hardwareThreads,
    seed = 1,
    signal,
    progress,
  } = options;
  vary.forEach((factor) => checkOneOf(factor, 'vary', FACTORS));
  checkOneOf(precision, 'precision', ['float32', 'float64']);
  checkInteger(threads, 'threads', 1, 1024);
  checkSeed(seed, 'seed');
  const { cases, base, sweeps } = plan(vary, threads);
  // Names that do not fit the smallest or the largest model are found before anything is measured.
  const layers = cases.map((wanted) => layersOf(wanted, adapt));

  const stop = () => checkNotAborted(signal);
  const started = performance.now();
  const load = watchLoad();
  let peak = await measurePeak(precision);
  const queue = [
    ...cases.map((wanted, c) => ({ wanted, layers: layers[c], through: 'native' as const })),
    ...base.map((c) => ({ wanted: cases[c], layers: layers[c], through: 'api' as const })),
  ];
  const problems: Problem[] = [];
  for (const { wanted } of queue) {
    stop();
    progress?.(problems.length, queue.length, `checking ${nameOf(wanted)}`);
    problems.push(await prepareProblem(wanted, precision, adapt, seed));
  }
  const budget = quick ? QUICK_BUDGET : BUDGET;
  const measured = queue.map((q) => ({ ...q, samples: noSamples(2) }));
  // Every point is met once in each pass, so that a busy minute does not hit one end of a sweep alone.
  for (let pass = 0; pass < budget.passes; pass++) {
    for (const [p, { wanted, through, samples }] of measured.entries()) {
      progress?.(p, queue.length, `pass ${pass + 1} of ${budget.passes}: ${nameOf(wanted)}`);
      await alternate([problems[p][through](1), problems[p][through](2)], budget, samples, stop);
    }
  }
  // A machine that was busy at the start shows its peak later, if at all.
  peak = Math.max(peak, await measurePeak(precision));
  const points = measured.map((m) => summarise(m, precision, peak));
  const otherLoad = load();
  return {
    version,
    date: new Date().toISOString(),
    seconds: (performance.now() - started) / 1000,
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      hardwareThreads,
      platform: `${process.platform}-${process.arch}`,
      node: process.version,
      isa,
      peak,
      otherLoad,
    },
    precision,
    seed,
    adapt,
    quick,
    base,
    api: base.map((_, b) => cases.length + b),
    sweeps,
    points,
    warnings: warningsOf(points, otherLoad),
  };
}

const nameOf = (wanted: Case) =>
  `${networkOf(wanted)}, K = ${wanted.steps}, ${wanted.tasks} × ${wanted.support} support rows`;

interface Measured {
  wanted: Case;
  layers: LinearShape[];
  through: Point['through'];
  /** Results of order 1 and 2. */
  samples: Samples[];
}

function summarise(
  { wanted, layers, through, samples: [one, two] }: Measured,
  precision: Precision,
  peak: number,
): Point {
  const cost = (order: 1 | 2, { wall, cpu }: Samples): OrderCost => {
    const work: Work = { layers, support: wanted.support, query: wanted.query, steps: wanted.steps, order };
    const time = quantiles(wall, 1 / wanted.tasks);
    const count = countOperations(work);
    const rate = count / time.q50;
    const perTask = cpu / wall.length / wanted.tasks;
    return {
      rounds: wall.length,
      time,
      cpu: perTask,
      cores: cpu / wall.reduce((a, b) => a + b, 0),
      form: chosenForm(work),
      operations: count,
      directOperations: countOperations(work, 'direct'),
      gflops: rate / 1e9,
      percentOfPeak: (100 * rate) / (peak * wanted.threads),
      percentOfPeakByCpu: (100 * count) / perTask / peak,
      workingSet: workingSet(work, precision === 'float32' ? 4 : 8),
    };
  };
  const first = cost(1, one);
  const second = cost(2, two);
  return {
    case: wanted,
    through,
    first,
    second,
    ratio: second.time.q50 / first.time.q50,
    ratios: quantiles(two.wall.map((w, r) => w / one.wall[r])),
  };
}

function warningsOf(points: readonly Point[], otherLoad: number | null): string[] {
  const warnings: string[] = [];
  const orders = points.flatMap(({ first, second }) => [first, second]);
  const wide = orders.filter(({ time }) => spread(time) > WIDE_SPREAD).length;
  if (otherLoad !== null && otherLoad > BUSY_CORES) {
    warnings.push(
      `other processes kept ${otherLoad.toFixed(1)} cores busy: wall times are too long, compare ratios and CPU times`,
    );
  }
  if (wide > 0) {
    warnings.push(
      `${wide} of ${orders.length} timings (marked ~) have 10–90 % quantiles more than ${100 * WIDE_SPREAD} % of the median apart`,
    );
  }
  return warnings;
}

const PEAK_RUNS = 5;

async function measurePeak(precision: Precision): Promise<number> {
  let best = 0;
  for (let run = 0; run < PEAK_RUNS; run++) best = Math.max(best, await operations(precision).measurePeak());
  return best;
}

/** Starts watching; the result tells how many cores others kept busy since. */
function watchLoad(): () => number | null {
  const own = process.cpuUsage();
  const start = performance.now();
  const before = busySeconds();
  return () => {
    const after = busySeconds();
    if (before === 0 || after <= before) return null;
    const { user, system } = process.cpuUsage(own);
    return Math.max(0, (after - before - (user + system) / 1e6) / ((performance.now() - start) / 1000));
  };
}

const busySeconds = () =>
  cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + (user + nice + sys + irq) / 1000, 0);
