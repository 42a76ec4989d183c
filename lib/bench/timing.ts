/** Timing that shows how far it can be trusted. */

/** What one point gets in each pass over all points. */
export interface Budget {
  passes: number;
  /** Rounds before the clock starts. */
  warmUp: number;
  /** Rounds are added until there are this many … */
  rounds: number;
  /** … and this much time has gone by. */
  seconds: number;
}

export const BUDGET: Budget = { passes: 4, warmUp: 3, rounds: 9, seconds: 0.2 };
export const QUICK_BUDGET: Budget = { passes: 2, warmUp: 1, rounds: 4, seconds: 0.02 };

export interface Samples {
  /** Wall time of each call, seconds. */
  wall: number[];
  /** CPU time of the process over all calls, seconds. */
  cpu: number;
}

export const noSamples = (contenders: number) =>
  Array.from({ length: contenders }, (): Samples => ({ wall: [], cpu: 0 }));

/**
 * Times contenders by turns (A B A B …), so that a machine that slows down slows all of them. One sample is one call.
 * @param samples of each contender; grows
 * @param between is asked before every round and may throw to stop
 */
export async function alternate(
  contenders: readonly (() => Promise<unknown>)[],
  budget: Budget,
  samples: readonly Samples[],
  between: () => void,
): Promise<void> {
  for (let round = 0; round < budget.warmUp; round++) for (const contender of contenders) await contender();
  const started = performance.now();
  for (let round = 0; round < budget.rounds || performance.now() - started < budget.seconds * 1000; round++) {
    between();
    for (const [c, contender] of contenders.entries()) {
      const cpu = process.cpuUsage();
      const start = performance.now();
      await contender();
      samples[c].wall.push((performance.now() - start) / 1000);
      const { user, system } = process.cpuUsage(cpu);
      samples[c].cpu += (user + system) / 1e6;
    }
  }
}

const LEVELS = [0, 5, 10, 25, 50, 75, 90, 95, 100] as const;
/** Quantiles by percent: `q50` is the median. */
export type Quantiles = Record<`q${(typeof LEVELS)[number]}`, number>;

/** Quantiles of a sample, linear between its order statistics. */
export function quantiles(sample: readonly number[], scale = 1): Quantiles {
  const sorted = Float64Array.from(sample).sort();
  const entries = LEVELS.map((level) => {
    const at = (level / 100) * (sorted.length - 1);
    const below = Math.floor(at);
    const above = Math.min(below + 1, sorted.length - 1);
    return [`q${level}`, scale * (sorted[below] + (at - below) * (sorted[above] - sorted[below]))];
  });
  return Object.fromEntries(entries) as Quantiles;
}

/** Distance of the 10 % and 90 % quantiles in units of the median. */
export const spread = ({ q10, q50, q90 }: Quantiles) => (q90 - q10) / q50;
