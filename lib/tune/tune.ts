/** Random search over settings with successive halving: settings that do badly after a part of their training are dropped. */
import { checkNotAborted } from '../foundation/abort.js';
import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import type { Resolved, SearchSpace } from '../foundation/options.js';
import { better as isBetter, meanByIndex } from './best.js';
import type { TuneOptions } from './option-types.js';
import { TUNE_OPTIONS } from './options.js';
import { checkSpace, drawSetting } from './space.js';
import type { Setting } from './space.js';
import { inRounds } from './rounds.js';
import { openState } from './state.js';
import type { TuneState } from './state.js';

const STOPPED = 'the search was aborted';

/** One measurement of one setting. */
export interface Trial {
  /** Number of the setting; 0 is `start`. */
  index: number;
  /** Its values by name. */
  setting: Setting;
  /** Round of the search, from 0; each round trains for longer than the one before. */
  rung: number;
  /** Share of the whole training that the round gives. */
  share: number;
  /** Seed of the learner. */
  seed: number;
  /** Seed of the split. */
  split: number;
  /** The metric on the validation tasks; null if the run failed. */
  value: number | null;
  /** Why the run failed, if it did. */
  failed?: { code: string; message: string };
  /** Seconds that the run took. */
  seconds: number;
}

/**
 * Random search with successive halving (Bergstra & Bengio 2012; Jamieson & Talwalkar 2016): `budget` settings are drawn from a space
 * and trained for a part of the training; the best third is trained for longer, and the best third of these completely, with every
 * seed and on every split. Yields each measurement as it ends; {@link bestSetting} returns the best setting of the measurements.
 *
 * ```ts
 * const trials = [];
 * for await (const trial of tune({ learningRate: { log: [0.01, 0.5] } }, { budget: 12, validation })) trials.push(trial);
 * const { setting } = bestSetting(trials);
 * ```
 *
 * @param space ranges by name
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; ABORTED; INVALID_DATA if every setting fails, or for the state of another
 * search; IO; RANK where processes that share the search were given different ones, or one of them is silent or goes no further
 */
export async function* tune(space: SearchSpace, options: TuneOptions): AsyncGenerator<Trial, void, undefined> {
  checkSpace(space, 'space');
  const settings = resolveOptions(options, 'tune', TUNE_OPTIONS);
  const {
    budget,
    rungs,
    keep,
    seeds,
    splits,
    start,
    seed,
    better,
    state: path,
    identity = '',
    signal,
    group,
  } = settings;
  const plan = { space, budget, rungs, keep, seeds, splits, start, seed, better, identity };
  const state = await openState(path, JSON.stringify(plan), group);
  try {
    const drawn = Array.from({ length: budget }, (_, index) =>
      index === 0 ? start : { ...start, ...drawSetting(space, seed, index) },
    );
    let alive = drawn.map((_, index) => index);
    for (const [rung, share] of rungs.entries()) {
      const isLast = rung === rungs.length - 1;
      const runs = (isLast ? splits : splits.slice(0, 1)).flatMap((split) =>
        (isLast ? seeds : seeds.slice(0, 1)).map((own) => ({ split, seed: own })),
      );
      // All settings are measured with one seed and split before the next, so that an interrupted search has treated them alike.
      const wanted = runs.flatMap((run) =>
        alive.map((index) => ({ index, setting: drawn[index], rung, share, ...run })),
      );
      const trials: Trial[] = [];
      for await (const trial of measured(wanted, state, settings)) {
        trials.push(trial);
        yield trial;
      }
      const ranked = meanByIndex(trials).sort((a, b) => isBetter(better, a.value, b.value) || a.index - b.index);
      if (ranked.length === 0) throw allFailed(trials[0]);
      checkNotAborted(signal, STOPPED);
      const best = ranked.slice(0, survivors(keep, alive.length)).map(({ index }) => index);
      alive = [...new Set([...ranked.filter(({ index }) => index === 0).map(({ index }) => index), ...best])];
    }
  } finally {
    await state.close();
  }
}

/** How many of `alive` settings go on to the next round because of their metric. */
const survivors = (keep: number, alive: number) => Math.max(1, Math.ceil(keep * alive));

/**
 * The most measurements that a search makes. It makes fewer if settings fail, or if `start` is among the best anyway.
 *
 * @internal
 */
export function mostTrials(options: Omit<TuneOptions, 'validation'>): number {
  const { validation: _, ...table } = TUNE_OPTIONS;
  const { budget, rungs, keep, seeds, splits } = resolveOptions(options, 'tune', table);
  let [alive, trials] = [budget, 0];
  for (const rung of rungs.keys()) {
    const isLast = rung === rungs.length - 1;
    trials += alive * (isLast ? seeds.length * splits.length : 1);
    alive = Math.min(alive, survivors(keep, alive) + 1);
  }
  return trials;
}

type Settings = Resolved<typeof TUNE_OPTIONS>;
type Measurement = Pick<Trial, 'value' | 'failed' | 'seconds'>;
type Wanted = Omit<Trial, keyof Measurement>;

/** Yields the trials that the state has, then measures the others, in the order in which they end. */
async function* measured(
  wanted: readonly Wanted[],
  state: TuneState,
  { validation, parallel, signal, group, rungs }: Settings,
): AsyncGenerator<Trial, void, undefined> {
  const missing: Wanted[] = [];
  for (const trial of wanted) {
    const kept = state.find(trial);
    if (kept !== undefined) yield kept;
    else missing.push(trial);
  }
  const rounds = inRounds({
    count: missing.length,
    measure: (at, both) => measure(missing[at], validation, both),
    ...{ parallel, group, signal },
    stage: `round ${wanted[0].rung + 1} of ${rungs.length}`,
  });
  for await (const [at, result] of rounds) {
    const trial = { ...missing[at], ...result };
    await state.add(trial);
    yield trial;
  }
}

async function measure(
  { setting, seed, split, share }: Wanted,
  validation: Settings['validation'],
  signal: AbortSignal,
): Promise<Measurement> {
  const began = performance.now();
  const ended = (result: Pick<Trial, 'value' | 'failed'>): Measurement => ({
    ...result,
    seconds: Number(((performance.now() - began) / 1000).toFixed(3)),
  });
  try {
    const value: unknown = await validation(structuredClone(setting), { seed, split, share, signal });
    if (typeof value !== 'number')
      throw invalid('tune.validation', 'did not give a number', value, 'a function that resolves to the metric');
    if (Number.isFinite(value)) return ended({ value });
    return ended({ value: null, failed: { code: 'DIVERGED', message: `the metric is ${value}` } });
  } catch (error) {
    const isFailedRun =
      error instanceof InnerloopError && error.code !== 'ABORTED' && error.field !== 'tune.validation';
    if (!isFailedRun) throw error;
    return ended({ value: null, failed: { code: error.code, message: error.message } });
  }
}

function allFailed({ failed }: Trial): InnerloopError {
  const { code, message } = failed!;
  return new InnerloopError('INVALID_DATA', `every setting failed, the first by ${code}: ${message}`, {
    field: 'tune.validation',
    expected: 'settings that can be trained',
  });
}
