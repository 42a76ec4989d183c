/** The scenarios of `innerloop scenario`, by name: what each one needs of a configuration, trains and measures. */
import type { Baseline } from '../baselines/baseline.js';
import { invalid } from '../foundation/check.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { isListMetric } from '../evaluation/names.js';
import type { ResultTable } from '../evaluation/result-table.js';
import {
  askFirst,
  coldStart,
  crossDomain,
  evidenceCandidates,
  fewShot,
  interestDrift,
  negativeTransfer,
} from '../scenarios/index.js';
import type { EvidenceCandidate, Scenario } from '../scenarios/index.js';
import { EVIDENCE_OPTIONS, FEW_SHOT_OPTIONS } from '../scenarios/options.js';
import { titleOf } from '../algorithms/check.js';
import type { Config } from './config.js';
import { lossSpec } from './config-metrics.js';
import type { ScenarioOptions } from './config-scenarios.js';
import { fit, trainOptions } from './fit.js';
import type { Fitted, Watch } from './fit.js';
import { baselinesOf, divide, newLearner, reportedSets, trainingTaskOptions, trainingTasks } from './pipeline.js';
import type { Prepared } from './pipeline.js';
import { Titles } from './recommend.js';

/** One learner's part in a scenario. */
export interface Part {
  /** What its learner is called. */
  name: string;
  /** Of the learner. */
  config: Config;
  /** A copy of its own, which may get weights. */
  dataset: Dataset;
  /** The first part, which brings what all learners share: the baselines. */
  isFirst: boolean;
  watch: Watch;
  signal: AbortSignal;
}

interface Kind<K extends keyof ScenarioOptions> {
  /** Its options in the configuration. */
  key: K;
  /** What the library calls its options in errors, beside the key. */
  aliases?: readonly [library: RegExp, option: string][];
  /** Series of several learners stand in one chart. */
  joins: boolean;
  /** What a method of a learner is called where there are several. */
  label: (method: string, learner: Pick<Part, 'name' | 'config'>) => string;
  play: (part: Part, options: NonNullable<ScenarioOptions[K]> | undefined) => Promise<Scenario>;
}
const kind =
  <K extends keyof ScenarioOptions>(key: K) =>
  (of: Omit<Kind<K>, 'key'>): Kind<K> => ({ key, ...of });
const prefixed = (method: string, { name }: { name: string }) => `${name}: ${method}`;

export const SCENARIOS = {
  'cold-start': kind('coldStart')({
    aliases: [[/^sets\b/, 'coldStart.sets']],
    joins: true,
    // Results name the algorithm.
    label: (method, { name, config: { algorithm, model } }) => {
      const title = titleOf({ name: algorithm.name }, lossSpec(model.loss).loss);
      return method === title || method === `${title}, not adapted` ? name + method.slice(title.length) : method;
    },
    play: async (part, options = {}) => {
      const { prepared, learner, rows } = await fitted(part);
      const names = reportedSets(prepared, options.sets);
      if (names.length === 0) throw noSet();
      const sets = Object.fromEntries(names.map((name) => [name, prepared.split.sets[name]]));
      return coldStart(learner, sets, {
        metrics: metricsOf(part, options),
        baselines: await baselines(part, prepared, rows),
        signal: part.signal,
      });
    },
  }),

  'few-shot': kind('fewShot')({
    aliases: [
      [/^sizes\b/, 'fewShot.shots'],
      [/^nested\b/, 'fewShot'],
    ],
    joins: true,
    label: (method) => method,
    play: async (part, { set, ...options } = {}) => {
      const { prepared, learner, rows } = await fitted(part);
      const tasks = chosen(prepared, set);
      const { shots = curve(tasks), seed = part.config.seed, ...rest } = options;
      return fewShot({ [part.name]: learner }, tasks, {
        ...rest,
        shots,
        seed,
        metrics: metricsOf(part, options),
        baselines: await baselines(part, prepared, rows),
        signal: part.signal,
      });
    },
  }),

  drift: kind('drift')({
    joins: false,
    label: prefixed,
    play: async (part, options = {}) =>
      interestDrift(part.dataset, {
        ...options,
        tasks: trainingTaskOptions(part.config),
        train: watched(part),
        learner: (rows) => newLearner(part, rows, { signal: part.signal }),
        signal: part.signal,
      }),
  }),

  'cross-domain': kind('crossDomain')({
    joins: false,
    label: prefixed,
    play: async (part, options) => {
      if (options === undefined)
        throw invalid('scenarios.crossDomain', 'missing', undefined, 'an object with column, source and target');
      return crossDomain(part.dataset, {
        seed: part.config.seed,
        ...options,
        train: watched(part),
        learner: (rows) => newLearner(part, rows, { signal: part.signal }),
        signal: part.signal,
      });
    },
  }),

  'negative-transfer': kind('negativeTransfer')({
    aliases: [[/^alignment\b/, 'negativeTransfer']],
    joins: false,
    label: prefixed,
    play: async (part, { set, ...options } = {}) => {
      // The remedies need validation tasks that the model was not trained on.
      const { prepared, learner } = await fitted(part, false);
      const scenario = await negativeTransfer(learner, chosen(prepared, set), {
        ...options,
        validation: prepared.validation,
        signal: part.signal,
      });
      if (prepared.validation === undefined) scenario.notes.push('no validation tasks: no remedy by shrinkage');
      return scenario;
    },
  }),

  evidence: kind('evidence')({
    aliases: [[/^askFirst\b/, 'evidence']],
    joins: false,
    label: prefixed,
    play: async (
      part,
      { set, count = EVIDENCE_OPTIONS.count.default, perItem, seed = part.config.seed, ...options } = {},
    ) => {
      const { prepared, learner, rows } = await fitted(part);
      const tasks = chosen(prepared, set);
      const asked = trainingTasks(prepared, rows);
      const candidates = await evidenceCandidates(learner, asked, {
        count: prepared.dataset.items.rows,
        perItem,
        seed,
        signal: part.signal,
      });
      const scenario = await askFirst(learner, candidates, tasks, {
        ...options,
        seed,
        metrics: metricsOf(part, options),
        signal: part.signal,
      });
      return {
        ...scenario,
        tables: [questions(candidates.slice(0, count), prepared.dataset, asked.size), ...scenario.tables],
      };
    },
  }),
};
export type ScenarioName = keyof typeof SCENARIOS;

/** @throws {InnerloopError} with options as the configuration has them */
export async function fitted(
  { config, dataset, watch, signal }: Part,
  refit = true,
): Promise<Fitted & { prepared: Prepared }> {
  const prepared = await divide(config, dataset);
  return { ...(await fit(prepared, refit, watch, signal)), prepared };
}

/** Options of a training that has no validation tasks. */
function watched({ config, watch, signal }: Part) {
  return { ...trainOptions(config, signal), onProgress: (share: number) => watch.step(share, 'train') };
}

async function baselines({ isFirst, signal }: Part, prepared: Prepared, rows: Int32Array): Promise<Baseline[]> {
  return isFirst ? baselinesOf(prepared, rows, signal) : [];
}

/** Undefined leaves them to the scenario. */
function metricsOf({ config }: Part, options: { metrics?: string[] }): string[] | undefined {
  const own = options.metrics ?? config.evaluation.metrics?.filter((name) => !isListMetric(name));
  return own?.length === 0 ? undefined : own;
}

/** A set that is reported: new users rather than new items. */
function chosen(prepared: Prepared, set: string | undefined): TaskSet {
  const names = reportedSets(prepared, set === undefined ? undefined : [set], 'set');
  const name = ['test', 'userCold'].find((each) => names.includes(each)) ?? names[0];
  if (name === undefined) throw noSet();
  return prepared.split.sets[name];
}

const noSet = () => invalid('split', 'has no set to report on', undefined, 'a test set, or evaluation.sets');

/** Shots to 20, as far as some task has so many support rows. */
function curve({ supportOffsets }: TaskSet): number[] | undefined {
  let most = 0;
  for (let t = 1; t < supportOffsets.length; t++) most = Math.max(most, supportOffsets[t] - supportOffsets[t - 1]);
  const standard = FEW_SHOT_OPTIONS.shots.default;
  const shots = standard.filter((each) => each <= most);
  return shots.length === standard.length || shots.length === 0 ? undefined : shots;
}

/** The first questions, by title where the items have one. */
function questions(candidates: readonly EvidenceCandidate[], { items }: Dataset, tasks: number): ResultTable {
  const titles = new Titles(items, undefined);
  return {
    title: 'what to ask first',
    columns: ['score', 'popularity', 'norm'].map((metric) => ({ metric, better: 'neither' })),
    rows: candidates.map(({ item, score, popularity, norm }) => ({
      method: titles.of(item) === undefined ? item : `${titles.of(item)} [${item}]`,
      cells: [score, popularity, norm].map((mean) => ({ mean, half: null, tasks })),
    })),
  };
}
