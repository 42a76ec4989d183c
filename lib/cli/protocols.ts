/** Protocols of papers by name: which users are tested, how their rows are divided, what is measured; and what was published. */
import type { SplitOptions } from '../tasks/index.js';
import type { Config } from './config.js';

/** A configuration as it is written. */
export type RawConfig = Readonly<Record<string, unknown>>;

/** A result of a paper or of a repository, for the same split and metric. */
interface Published {
  method: string;
  /** Which of the protocol's sets, where they are several. */
  set?: string;
  metric: string;
  value: number;
}

interface Protocol {
  /** In one sentence, for help and tables. */
  rules: string;
  /** The configuration with the protocol's split, tasks and metrics. */
  apply: (config: RawConfig) => RawConfig;
  published: readonly Published[];
  source: string;
  /** What is not as in the original. */
  differs: readonly string[];
}

const part = (config: RawConfig, name: string) => (config[name] ?? {}) as Record<string, unknown>;

/** Its users divided at random. Seeds stay those of the configuration. */
function ofUsers(
  config: RawConfig,
  [validation, test]: readonly [number, number],
  tasks: SplitOptions['tasks'],
  evaluation: Partial<Config['evaluation']>,
): RawConfig {
  const { seed } = part(config, 'split');
  const { sets: _, candidates: __, calibration: ___, ...measured } = part(config, 'evaluation');
  const { validation: ____, ...training } = part(config, 'training');
  return {
    ...config,
    split: { protocol: 'users', validation, test, tasks, ...(seed !== undefined && { seed }) },
    trainTasks: tasks,
    training,
    evaluation: { ...measured, ...evaluation, baselineRows: 'tasks' },
  };
}

const MELU_TASKS = { min: 13, max: 100, query: 10 } as const;
const TANP_TASKS = { min: 40, max: 200, shots: 20, query: 'rest' } as const;

export const PROTOCOLS = {
  melu: {
    rules:
      'users and items, each existing or new; a task is a user with 13 to 100 ratings in its partition, ten of which are asked; training tasks alike',
    apply: (config) => {
      const given = part(config, 'split');
      const { warm: _, ...own } = given;
      const drawn = {
        protocol: 'partitions',
        newUsers: { fraction: 0.2 },
        newItems: { fraction: 0.2 },
        validation: { users: { fraction: 0.15 }, items: { fraction: 0.15 } },
        ...(given['seed'] !== undefined && { seed: given['seed'] }),
      };
      const { calibration: __, ...measured } = part(config, 'evaluation');
      const split: Record<string, unknown> = {
        ...(given['protocol'] === 'partitions' ? own : drawn),
        tasks: MELU_TASKS,
      };
      return {
        ...config,
        split,
        trainTasks: MELU_TASKS,
        training: {
          ...(split['validation'] !== undefined && { validation: 'validationUserCold' }),
          ...part(config, 'training'),
        },
        evaluation: {
          ...measured,
          sets: ['userCold', 'itemCold', 'bothCold'],
          metrics: ['mae', 'ndcg@1', 'ndcg@3'],
          baselineRows: 'tasks',
        },
      };
    },
    published: [
      { method: 'MeLU-1', set: 'userCold', metric: 'mae', value: 0.7884 },
      { method: 'MeLU-1', set: 'userCold', metric: 'ndcg@1', value: 0.8799 },
      { method: 'MeLU-1', set: 'userCold', metric: 'ndcg@3', value: 0.881 },
      { method: 'MeLU-5', set: 'userCold', metric: 'mae', value: 0.7854 },
      { method: 'MeLU-5', set: 'userCold', metric: 'ndcg@1', value: 0.8803 },
      { method: 'MeLU-5', set: 'userCold', metric: 'ndcg@3', value: 0.8812 },
      { method: 'MeLU-1', set: 'itemCold', metric: 'mae', value: 0.9361 },
      { method: 'MeLU-1', set: 'itemCold', metric: 'ndcg@1', value: 0.7715 },
      { method: 'MeLU-1', set: 'itemCold', metric: 'ndcg@3', value: 0.799 },
      { method: 'MeLU-5', set: 'itemCold', metric: 'mae', value: 0.9275 },
      { method: 'MeLU-5', set: 'itemCold', metric: 'ndcg@1', value: 0.7697 },
      { method: 'MeLU-5', set: 'itemCold', metric: 'ndcg@3', value: 0.8005 },
      { method: 'MeLU-1', set: 'bothCold', metric: 'mae', value: 0.9299 },
      { method: 'MeLU-1', set: 'bothCold', metric: 'ndcg@1', value: 0.776 },
      { method: 'MeLU-1', set: 'bothCold', metric: 'ndcg@3', value: 0.8011 },
      { method: 'MeLU-5', set: 'bothCold', metric: 'mae', value: 0.9235 },
      { method: 'MeLU-5', set: 'bothCold', metric: 'ndcg@1', value: 0.7752 },
      { method: 'MeLU-5', set: 'bothCold', metric: 'ndcg@3', value: 0.8008 },
    ],
    source: 'Lee, Im, Jang, Cho & Chung, KDD 2019, table 2',
    differs: [
      "where the configuration's split has validation, a part of the existing users and items is held out; MeLU trains on all of them, for a fixed number of epochs",
      'which ten rows are asked was never published: they are drawn with our seed',
      "where the configuration's split is not one of partitions, a fifth of users and of items is new, drawn at random",
    ],
  },
  'recbole-metarec': {
    rules:
      'users 8:1:1; a task is a user with 13 to 100 ratings, ten of which are asked; the five best rated of the ten are relevant, gains are 0 or 1',
    apply: (config) =>
      ofUsers(config, [0.1, 0.1], MELU_TASKS, {
        metrics: ['precision@5', 'hitrate@5', 'ndcg@5', 'mrr@5', 'mae'],
        best: 5,
      }),
    published: [
      { method: 'MeLU', metric: 'ndcg@5', value: 0.4899 },
      { method: 'MAMO', metric: 'ndcg@5', value: 0.6079 },
      { method: 'TaNP', metric: 'ndcg@5', value: 0.6079 },
      { method: 'MeLU', metric: 'precision@5', value: 0.4946 },
      { method: 'MAMO', metric: 'precision@5', value: 0.5923 },
      { method: 'TaNP', metric: 'precision@5', value: 0.5923 },
      { method: 'MeLU', metric: 'mrr@5', value: 0.6904 },
      { method: 'MAMO', metric: 'mrr@5', value: 0.8073 },
      { method: 'TaNP', metric: 'mrr@5', value: 0.8073 },
    ],
    source:
      'github.com/nuster1128/RecBole-MetaRec, asset/result/MovieLens-1M.md at 9e220d4: ratings of MovieLens-1M; that file gives MAMO and TaNP the same numbers',
    differs: [
      'who is in which set, and which rows are asked, is drawn with our seed',
      'of rows that are rated alike at the fifth place, which are relevant is drawn, the same for every method',
      'the epoch is chosen by the mae of the validation tasks, there by mrr@5',
    ],
  },
  coldnas: {
    rules: 'users 7:1:2; a task is a user with 40 to 200 ratings: 20 are known, all others are asked',
    apply: (config) =>
      ofUsers(config, [0.1, 0.2], TANP_TASKS, { metrics: ['mse', 'mae', 'ndcg@3', 'ndcg@5'], gain: 'exponential' }),
    published: [],
    source: 'Wu et al., WWW 2023, table 2',
    differs: [
      'who is in which set, and which 20 are known, is drawn with our seed',
      'ratings of items that training lacks are asked too; there they are left out',
      'a task without any gain has no nDCG; there it counts as 1',
    ],
  },
  tanp: {
    rules:
      'users 7:1:2; every interaction is a positive; a task is a user with 40 to 200: 20 are known, the others are ranked among 100 items that the user never had',
    apply: (config) => {
      const data = part(config, 'data');
      const { label: _, ...interactions } = part(data, 'interactions');
      return {
        ...ofUsers(config, [0.1, 0.2], TANP_TASKS, {
          metrics: ['precision@5', 'map@5', 'ndcg@5', 'ndcg@10'],
          candidates: { negatives: 100 },
        }),
        data: { ...data, interactions },
        model: { ...part(config, 'model'), loss: 'bpr' },
      };
    },
    published: [],
    source: 'Lin et al., WWW 2021, tables 2 and 3',
    differs: [
      'negatives are drawn anew in every step and ranked by bpr; there they are sampled once, as rows with label 0, for a squared or logistic loss',
      'who is in which set, and which 20 are known, is drawn with our seed',
      'interactions with items that training lacks are asked too; there they are left out',
    ],
  },
} as const satisfies Record<string, Protocol>;
export type ProtocolName = keyof typeof PROTOCOLS;

/** Results of others under a protocol, as the files of results have them. */
export const publishedOf = (name: ProtocolName): readonly Published[] => PROTOCOLS[name].published;

/** What stands under a table of a protocol, a sentence each. */
export function protocolNotes(name: ProtocolName): string[] {
  const { rules, published, source, differs }: Protocol = PROTOCOLS[name];
  const values = new Map<string, string[]>();
  for (const { method, set, metric, value } of published) {
    const of = set === undefined ? metric : `${set} ${metric}`;
    values.set(of, [...(values.get(of) ?? []), `${method} ${value.toFixed(4)}`]);
  }
  const numbers = [...values].map(([metric, of]) => `${metric}: ${of.join(', ')}`).join('; ');
  return [
    `Protocol ${name}: ${rules}.`,
    numbers === '' ? `Published: ${source}; its numbers are not repeated here.` : `Published (${source}): ${numbers}.`,
    ...differs.map((difference) => `Differs: ${difference}.`),
  ];
}
