/** Random graphs: every operation's reverse is its derivative, and whatever the core lets in runs. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { NameOf, NativeGraphSpec } from '../../lib/foundation/addon.js';
import { packTasks } from '../../lib/batch/batch.js';
import type { Parameters } from '../../lib/foundation/contract.js';
import { graphExtension } from '../../lib/meta/graphs/extension.js';
import type { TaskGraph, Node } from '../../lib/meta/graphs/graph.js';
import { noAdaptation } from '../../lib/meta/inner-loop.js';
import { defineModel } from '../../lib/model/model.js';
import { random } from '../../lib/foundation/random.js';
import type { Random } from '../../lib/foundation/random.js';
import { combine, derivative, direction, dot, norm } from '../fixtures/random-model.js';
import { spec, tasksOf, MSE } from '../fixtures/graph-tasks.js';

/** A program of random operations on whatever fits, all of which counts in the loss. */
function randomProgram(p: TaskGraph, stream: Random, used: Set<string>): void {
  const any = <V>(list: readonly V[]): V => list[stream.below(list.length)];
  const nodes: Node[] = [
    p.outputs('query'),
    p.outputs('support'),
    p.inputs('query', 'test'),
    p.inputs('support', 'test'),
    p.features('support', 'test'),
    p.features('query', 'test'),
    p.labels('support'),
    p.oneHot('support', 3),
    p.byThreshold([-0.5, 0.5]),
    p.constant(0.5, 'support', 2),
    p.count('support'),
    p.noise(3),
    p.parameter('own.a', 3, 4, { kind: 'normal', deviation: 1 }),
    p.parameter('own.b', 1, 4, { kind: 'normal', deviation: 1 }),
    p.lastWeights('test'),
  ];
  const softplus = (x: Node) => p.affine(p.activate(x, 'softplus'), 1, 0.5);
  const squash = (x: Node) => p.activate(x, 'tanh');
  for (let i = 0; i < 14; i++) {
    const [a, b] = [any(nodes), any(nodes)];
    const op = any([
      'linear',
      'unary',
      'affine',
      'add',
      'subtract',
      'multiply',
      'nn',
      'nt',
      'tn',
      'softmax',
      'distance',
      'cosine',
      'sumRows',
      'sumColumns',
      'concat',
      'columns',
      'flatten',
      'meanRows',
    ] as const);
    const width = typeof a.columns === 'number' ? a.columns : 0;
    const broadcasts = (b.rows === a.rows || b.rows === 1) && (b.columns === a.columns || b.columns === 1);
    const made = ((): Node | undefined => {
      switch (op) {
        case 'linear':
          return width > 0 ? p.linear(`own.${i}`, a, 3, { bias: stream.below(2) === 1 }) : undefined;
        case 'unary':
          return any([
            (x: Node) => p.activate(x, any(['tanh', 'sigmoid', 'softplus'])),
            (x: Node) => p.exp(squash(x)),
            (x: Node) => p.log(softplus(x), 0.1),
            (x: Node) => p.reciprocal(softplus(x)),
          ])(a);
        case 'affine':
          return p.affine(a, -0.7, 0.2);
        case 'add':
        case 'subtract':
        case 'multiply':
          return broadcasts ? p[op](a, b) : undefined;
        case 'nn':
          return a.columns === b.rows ? p.product(op, a, b) : undefined;
        case 'nt':
          return a.columns === b.columns ? p.product(op, a, b) : undefined;
        case 'tn':
          return a.rows === b.rows ? p.product(op, a, b) : undefined;
        case 'distance':
        case 'cosine':
          return a.columns === b.columns ? p[op](a, b) : undefined;
        case 'concat':
          return width > 0 && typeof b.columns === 'number' && (b.rows === a.rows || b.rows === 1)
            ? p.concat(a, b, a)
            : undefined;
        case 'columns':
          return width > 1 ? p.columns(a, 1, width - 1) : undefined;
        case 'flatten':
          return width > 0 && typeof a.rows === 'number' ? p.flatten(a) : undefined;
        case 'meanRows':
          return a.rows === 'support' ? p.meanRows(a) : undefined;
        default:
          return p[op](a);
      }
    })();
    if (made === undefined) continue;
    used.add(op);
    nodes.push(squash(made));
    p.auxiliary(p.sumRows(p.sumColumns(squash(made))), 0.1 + stream.uniform());
  }
  p.output(nodes[0]);
}

test('the reverse of every operation is its derivative, without support rows too', async () => {
  const used = new Set<string>();
  for (let i = 0; i < 60; i++) {
    const base = defineModel(spec(MSE), { precision: 'float64' });
    const { tensors, native } = graphExtension(
      base,
      (p) => randomProgram(p, random(14, 'random programs', i), used),
      true,
    );
    const model = base.extend(tensors);
    const { trainingGraph } = native!(model, (name) => model.tensors.findIndex((tensor) => tensor.name === name));
    const params = model.initialize(i);
    const batch = packTasks(model, tasksOf({ loss: 'softmax', classes: 3 })).native;
    const inner = { ...noAdaptation(model), graph: trainingGraph!, dropout: 5 };
    const at = (where: Parameters) =>
      model.ops.metaGradient({ store: model.store(where), batch, inner, threads: 1, direction: 'metaGradient' });
    const gradient = model.named((await at(params)).gradient);
    const u = direction(params, random(15, 'directions', i));
    const { slope, doubt } = await derivative(async (x) => (await at(combine(params, 1, u, x))).loss, 1e-4);
    const scale = Math.max(1, norm(gradient));
    assert.ok(
      doubt < 1e-4 * scale && Math.abs(slope - dot(gradient, u)) <= 1e-8 * scale,
      `program ${i}: ${slope} is not ${dot(gradient, u)}`,
    );
  }
  assert.equal(used.size, 18, `all operations but ${[...used].join(', ')}`);
});

/** Inputs, tensors and options of each operation. */
const ARITY: Record<NameOf<'Op'>, string> = {
  slot: '002',
  labels: '001',
  oneHot: '101',
  parameter: '010',
  constant: '003',
  count: '001',
  noise: '001',
  linear: '120',
  unary: '102',
  affine: '102',
  add: '200',
  subtract: '200',
  multiply: '200',
  product: '201',
  softmax: '100',
  distance: '200',
  cosine: '200',
  sumRows: '100',
  sumColumns: '100',
  concat: '200',
  columns: '102',
  flatten: '100',
};
const OPS = Object.keys(ARITY) as NameOf<'Op'>[];

test('no program that does not fit its model gets past the core, and whatever does runs', async () => {
  const model = defineModel(spec(MSE), { precision: 'float64' });
  const stream = random(12, 'programs');
  const small = () => stream.below(9) - 3;
  const list = (length: number, value: () => number) => Array.from({ length }, value);
  const call = { store: model.store(model.initialize(1)), batch: packTasks(model, tasksOf(MSE)).native, threads: 1 };
  let made = 0;
  let [ran, started] = [0, 0];
  for (let i = 0; i < 20000; i++) {
    const others = Array.from({ length: 1 + stream.below(4) }, (_, n) => {
      const op = OPS[stream.below(OPS.length)];
      const [from, tensors, options] =
        stream.below(8) > 0 ? [...ARITY[op]].map(Number) : [stream.below(3), stream.below(3), stream.below(4)];
      return {
        op,
        in: list(from, () => stream.below(n + 1)),
        tensors: list(tensors, () => stream.below(10) - 1),
        options: list(options, small),
      };
    });
    const starts = stream.below(4) === 0;
    const nodes = [{ op: 'slot' as const, in: [], tensors: [], options: [starts ? -1 : -2, -1] }, ...others];
    const program: NativeGraphSpec = {
      nodes,
      output: starts ? -1 : stream.below(4) > 0 ? 0 : stream.below(nodes.length + 1) - 1,
      classes: stream.below(4) > 0 ? 0 : stream.below(3),
      cold: 0,
      auxiliary: stream.below(4) > 0 ? [] : [{ node: stream.below(nodes.length), weight: 1 }],
      starts: starts ? [{ tensor: stream.below(9), node: stream.below(nodes.length) }] : [],
    };
    try {
      const graph = model.ops.createGraph(model.native, program);
      made++;
      const inner = {
        ...noAdaptation(model),
        fast: new Uint8Array(model.tensors.length).fill(program.starts.length > 0 ? 1 : 0),
        graph,
      };
      await model.ops.metaGradient({ ...call, inner, direction: 'metaGradient' });
      await model.ops.predict({ ...call, inner, before: true, after: true });
      ran++;
      if (starts) started++;
    } catch (error) {
      assert.match(String((error as { code?: string }).code), /^(INVALID_OPTION|DIVERGED)$/, String(error));
    }
  }
  assert.ok(ran > 1000 && started > 10, `${made} fit and ${ran} of them ran, ${started} with starts`);
});
