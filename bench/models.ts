/** Models and learners whose meta-gradient is timed beside that of another build of ours, as data. */
import { random } from '../lib/foundation/random.js';
import type { InputValues, ModelSpec, TaskExample } from '../lib/index.js';

export interface ModelCase {
  name: string;
  /** What it is, in a line of the table. */
  what: string;
  model: ModelSpec;
  /** A factory of the library by name, and its options. */
  algorithm: { name: string; options?: object };
  tasks: number;
  /** Tasks have from the first to the second number of support rows. */
  support: [number, number];
  query: number;
  /** Tasks are handed over one a call. */
  oneByOne?: boolean;
  /** Whether trials/torch_models.py computes it. */
  peer?: boolean;
}

const dense = (size: number) => ({ name: 'x', kind: 'dense', size }) as const;
const id = (name: string, cardinality: number, dim: number) =>
  ({ name, kind: 'categorical', cardinality, dim }) as const;
const mse = { loss: 'mse' } as const;
const mlp = (hidden: number[], activation: 'relu' | 'identity' = 'relu') =>
  ({ kind: 'mlp', hidden, activation }) as const;
const maml = (steps: number, adapt: string[] | 'all' = 'all') => ({
  name: 'maml',
  options: { steps, adapt, learningRate: 0.01 },
});
const CLASSES = { loss: 'softmax', classes: 2 } as const;

const RATINGS = { tasks: 32, support: [20, 20], query: 10 } satisfies Partial<ModelCase>;
const TINY = { tasks: 256, support: [5, 5], query: 5 } satisfies Partial<ModelCase>;
const standard = { inputs: [dense(256)], body: mlp([64, 64]), head: mse };
const tiny = { inputs: [dense(16)], body: mlp([16]), head: mse };
const fields = Array.from({ length: 8 }, (_, i) => id(`field${i}`, 200, 16));

export const MODEL_CASES: ModelCase[] = [
  { name: 'mlp-k1', peer: true, what: '256→64→64→1, K = 1', model: standard, algorithm: maml(1), ...RATINGS },
  { name: 'mlp-k5', peer: true, what: '256→64→64→1, K = 5', model: standard, algorithm: maml(5), ...RATINGS },
  {
    name: 'melu',
    peer: true,
    what: 'five embeddings of 32, 64-64-1 adapts, K = 5',
    model: {
      inputs: [...['user', 'age', 'item', 'genre', 'year'].map((name) => id(name, 1000, 32))],
      body: mlp([64, 64]),
      head: mse,
    },
    algorithm: maml(5, ['mlp.*']),
    ...RATINGS,
  },
  {
    name: 'mf',
    peer: true,
    what: 'mf, 16 factors, all adapts, K = 1',
    model: {
      inputs: [id('user', 1000, 16), id('item', 1000, 16)],
      body: { kind: 'mf', user: 'user', item: 'item' },
      head: mse,
    },
    algorithm: maml(1),
    ...RATINGS,
  },
  {
    name: 'identity',
    peer: true,
    what: 'identity mlp of 16 over two embeddings of 16, K = 1',
    model: { inputs: [id('user', 1000, 16), id('item', 1000, 16)], body: mlp([16], 'identity'), head: mse },
    algorithm: maml(1),
    ...RATINGS,
  },
  {
    name: 'ridge',
    peer: true,
    what: 'ridge head on 24 features, 20–60 rows',
    model: { inputs: [id('item', 1000, 16), dense(16)], body: mlp([24]), head: mse },
    algorithm: { name: 'ridge' },
    ...RATINGS,
    support: [20, 60],
  },
  {
    name: 'gru',
    peer: true,
    what: 'GRU of 32 over 10 items of 32, 32-1, K = 2',
    model: {
      inputs: [{ name: 'history', kind: 'sequence', cardinality: 1000, dim: 32, maxLength: 10 }, id('item', 1000, 32)],
      body: { kind: 'gru', gruHidden: 32, hidden: [32] },
      head: mse,
    },
    algorithm: maml(2),
    ...RATINGS,
  },
  {
    name: 'fm',
    peer: true,
    what: 'factorization machine, 8 fields of 16, K = 3',
    model: { inputs: fields, body: { kind: 'fm' }, head: mse },
    algorithm: maml(3),
    ...RATINGS,
  },
  {
    name: 'proto',
    peer: true,
    what: 'prototypical networks, 64→64→32',
    model: { inputs: [dense(64)], body: mlp([64, 32]), head: CLASSES },
    algorithm: { name: 'protoNets' },
    ...RATINGS,
  },
  {
    name: 'proto-few',
    peer: true,
    what: 'the same, 5 + 5 rows',
    model: { inputs: [dense(64)], body: mlp([64, 32]), head: CLASSES },
    algorithm: { name: 'protoNets' },
    ...TINY,
  },
  {
    name: 'tanp',
    what: 'TaNP, 32→32→1',
    model: { inputs: [dense(32)], body: mlp([32]), head: mse },
    algorithm: { name: 'tanp' },
    ...RATINGS,
  },
  {
    name: 'tanp-few',
    what: 'the same, 5 + 5 rows',
    model: { inputs: [dense(32)], body: mlp([32]), head: mse },
    algorithm: { name: 'tanp' },
    ...TINY,
  },
  {
    name: 'towers',
    peer: true,
    what: 'two towers of 64-32, user tower adapts, K = 2',
    model: {
      inputs: [id('user', 1000, 32), id('item', 1000, 32)],
      body: { kind: 'twoTower', user: ['user'], item: ['item'], hidden: [64], width: 32 },
      head: mse,
    },
    algorithm: maml(2, ['user.*']),
    ...RATINGS,
  },
  { name: 'tiny-k1', peer: true, what: '16→16→1, 5 + 5 rows, K = 1', model: tiny, algorithm: maml(1), ...TINY },
  { name: 'tiny-k5', peer: true, what: '16→16→1, 5 + 5 rows, K = 5', model: tiny, algorithm: maml(5), ...TINY },
  {
    name: 'one-k1',
    what: 'the same, one task a call, K = 1',
    model: tiny,
    algorithm: maml(1),
    ...TINY,
    oneByOne: true,
  },
  {
    name: 'one-k5',
    what: 'the same, one task a call, K = 5',
    model: tiny,
    algorithm: maml(5),
    ...TINY,
    oneByOne: true,
  },
  {
    name: 'wide',
    peer: true,
    what: '1024→256→1, 100 + 50 rows, K = 3',
    model: { inputs: [dense(1024)], body: mlp([256]), head: mse },
    algorithm: maml(3),
    ...RATINGS,
    tasks: 8,
    support: [100, 100],
    query: 50,
  },
];

/** A user has one id in all rows of a task; everything else differs from row to row. */
const SAME_IN_A_TASK = ['user', 'age'];

/** Seeded tasks of a case. */
export function tasksOf({ model, tasks, support: [least, most], query }: ModelCase): TaskExample[] {
  const stream = random(1, 'bench.models');
  const isClasses = model.head.loss === 'softmax';
  const below = (n: number) => Math.floor(n * stream.uniform());
  return Array.from({ length: tasks }, () => {
    const own = new Map(SAME_IN_A_TASK.map((name) => [name, stream.uniform()]));
    const rows = (count: number) => ({
      inputs: Object.fromEntries(
        model.inputs.map((input) => {
          const value = () => {
            if (input.kind === 'dense') return Float32Array.from({ length: input.size }, () => stream.normal());
            if (input.kind === 'categorical')
              return Math.floor((own.get(input.name) ?? stream.uniform()) * input.cardinality);
            return Array.from({ length: 10 }, () => below(input.cardinality));
          };
          return [input.name, Array.from({ length: count }, value) as InputValues];
        }),
      ),
      labels: Float32Array.from({ length: count }, () => (isClasses ? below(2) : stream.normal())),
    });
    return { support: rows(least + below(most - least + 1)), query: rows(query) };
  });
}
