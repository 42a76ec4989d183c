/** The search of `innerloop tune` and `compare --tune`: every learner and baseline with the same budget, on validation tasks alone. */
import { createHash } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { invalid, unknownName } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import type { ErrorCode } from '../foundation/errors.js';
import type { SearchSpace } from '../foundation/options.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import { parseMetric } from '../evaluation/metrics.js';
import { runtime } from '../index.js';
import { packageVersion } from '../learner/manifest.js';
import { bestSetting } from '../tune/best.js';
import type { Found } from '../tune/best.js';
import { mostTrials, tune } from '../tune/tune.js';
import type { Trial } from '../tune/tune.js';
import type { Config } from './config.js';
import { runConfig, splitSeedOf } from './contenders.js';
import type { Contender } from './contenders.js';
import { NO_PROGRESS, openProgress } from './output.js';
import type { Console } from './output.js';
import { fingerprint } from './pipeline.js';
import type { Prepared } from './pipeline.js';
import { baselineSpace, knownPaths, learnerSpace, withSetting } from './spaces.js';
import type { TuneAnswer, TuneJob } from './tune-worker.js';
import { Workers } from './workers.js';

const WORKER = fileURLToPath(new URL('./tune-worker.js', import.meta.url));
/** Of the draws of settings: the same ones whatever the configuration's seed. */
const SEED = 1;

export interface Search {
  base: Config;
  contenders: readonly Contender[];
  prepared: Prepared;
  metric: string;
  budget: number;
  seeds: readonly number[];
  splits: readonly number[];
  /** Processes at a time. */
  jobs: number;
  /** Folder of the state files, one a contender. */
  folder: string;
  fresh: boolean;
  console: Console;
  signal: AbortSignal;
  /** The processes that share the search; that of rank 0 keeps the state files. */
  group?: ProcessGroup;
}

export interface Searched {
  contender: Contender;
  space: SearchSpace;
  trials: Trial[];
  /** undefined where there is nothing to search. */
  found: Found | undefined;
  /** The configuration with what was found. */
  config: Config;
  better: 'lower' | 'higher';
}

/** @throws {InnerloopError} INVALID_OPTION without validation tasks; ABORTED */
export async function searchAll(search: Search): Promise<Searched[]> {
  const { base, contenders, prepared, metric, budget, seeds, splits, jobs, folder, fresh, console, signal, group } =
    search;
  if (prepared.validation === undefined)
    throw invalid('split.validation', 'missing', undefined, 'validation tasks: a search has nothing else to go by');
  const { better } = parseMetric(metric);
  const isPrescribed = prepared.split.sets['train'].prescribed === true;
  const spaces = contenders.map(({ baseline, config }) =>
    baseline === undefined ? learnerSpace(config, isPrescribed) : baselineSpace(baseline, config),
  );
  checkPaths(base, contenders, isPrescribed);
  const threads = base.threads ?? Math.max(1, Math.floor(runtime().threads / jobs));
  const workers = new Workers<TuneJob, TuneAnswer>(WORKER, jobs);
  const leads = group === undefined || group.rank === 0;
  if (leads) await mkdir(folder, { recursive: true });
  let jobId = 0;
  const results: Searched[] = [];
  try {
    for (const [k, contender] of contenders.entries()) {
      const { name, file, config, baseline } = contender;
      const space = spaces[k];
      if (Object.keys(space).length === 0) {
        results.push({ contender, space, trials: [], found: undefined, config, better });
        continue;
      }
      const state = join(folder, `${file}.json`);
      if (fresh && leads) await rm(state, { force: true });
      const drawsNothing = baseline !== undefined;
      const options = {
        budget,
        seeds: drawsNothing ? seeds.slice(0, 1) : seeds,
        splits,
        // A fit has no part: a baseline's settings are all measured whole.
        ...(drawsNothing && { rungs: [1] }),
        better,
        parallel: jobs,
        seed: SEED,
        state,
        identity: identityOf(prepared, config, metric),
        signal,
        ...(group && { group }),
      };
      const trials: Trial[] = [];
      const progress = leads ? openProgress(`${k + 1}/${contenders.length} ${name}`, metric) : NO_PROGRESS;
      try {
        const validation = async (setting: Trial['setting'], run: { seed: number; split: number; share: number }) => {
          const own = runConfig(withSetting(config, setting), { ...base, threads }, run.seed, run.split);
          const job = { id: jobId++, config: own, baseline, share: run.share, metric, better };
          const answer = await workers.run(job, signal);
          if ('value' in answer) return answer.value;
          throw new InnerloopError(answer.failed.code as ErrorCode, answer.failed.message);
        };
        const most = mostTrials(options);
        for await (const trial of tune(space, { ...options, validation })) {
          trials.push(trial);
          progress.step(trials.length / most);
          console.json({ event: 'trial', name, ...trial });
        }
      } finally {
        progress.stop();
      }
      const found = bestSetting(trials, better);
      console.note(`${name}: ${describe(found, trials, metric)}`);
      results.push({ contender, space, trials, found, config: withSetting(config, found.setting), better });
    }
  } finally {
    workers.close();
  }
  return results;
}

/** What the first setting came to beside the best. */
function describe(found: Found, trials: readonly Trial[], metric: string): string {
  const failed = trials.filter((trial) => trial.failed !== undefined).length;
  return [
    `validation ${metric} ${found.value.toFixed(4)} ${show(found.setting)}`,
    ...(failed === 0 ? [] : [`${failed} of ${trials.length} runs failed`]),
  ].join('; ');
}

/** A setting in one line. */
export function show(setting: Trial['setting']): string {
  const entries = Object.entries(setting).filter(([, value]) => value !== null);
  if (entries.length === 0) return 'as configured';
  return entries
    .map(([path, value]) => `${path} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}

function identityOf(prepared: Prepared, config: Config, metric: string): string {
  const own = runConfig(config, { ...config, threads: undefined }, 0, splitSeedOf(config));
  const { trainRows } = prepared.split;
  return createHash('sha256')
    .update(JSON.stringify([packageVersion(), runtime().isa, fingerprint(prepared.dataset), own, metric]))
    .update(new Uint8Array(trainRows.buffer, trainRows.byteOffset, trainRows.byteLength))
    .digest('hex');
}

/** A range of the configuration that nothing has is misspelt. */
function checkPaths(base: Config, contenders: readonly Contender[], isPrescribed: boolean): void {
  const known = knownPaths(
    contenders.map(({ baseline, config }) => {
      const declared = { ...config, tune: undefined };
      return baseline === undefined ? learnerSpace(declared, isPrescribed) : baselineSpace(baseline, declared);
    }),
  );
  for (const path of Object.keys(base.tune?.space ?? {}))
    if (!known.includes(path)) throw unknownName('tune.space', 'nothing here is searched along it', path, known);
}
