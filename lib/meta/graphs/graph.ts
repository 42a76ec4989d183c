/** Metric and amortised learners are graphs of operations on the matrices of one task, which this file writes. */
import { codes } from '../../foundation/addon.js';
import type { NameOf, NativeGraphSpec } from '../../foundation/addon.js';
import { invalid, unknownName } from '../../foundation/check.js';
import type { Activation } from '../../foundation/contract.js';
import type { ExtraTensor, Model } from '../../model/model.js';
import { widthOf } from '../../model/layer-program.js';
import type { Initial } from '../../model/layer-program.js';

/** Rows or columns: a number, or as many as a task has support or query rows. */
export type Dim = number | 'support' | 'query';
export type Part = NameOf<'Part'>;

/** A matrix that a node of the graph computes. */
export interface Node {
  readonly index: number;
  readonly rows: Dim;
  readonly columns: Dim;
}

const dim = (of: Dim): number => (typeof of === 'number' ? of : codes('Part')[of]);
const slot = (part: Part, which: NameOf<'ModelSlot'>) => [codes('Part')[part], codes('ModelSlot')[which]];

/** Names the algorithm in errors where it does not say what it is called. */
const THIS = 'the algorithm';

interface Operand {
  op: NameOf<'Op'>;
  in: number[];
  tensors: string[];
  options: number[];
}

/**
 * Writes a graph, which the native core checks, runs and differentiates (native/graphs/graph.h). Every method adds a node and
 * returns it; its shape is in brackets, with S support and Q query rows. Sums over an empty support set are 0, and so are products
 * with it.
 */
export class TaskGraph {
  /** The model whose outputs the graph begins with. */
  readonly model: Model;
  /** Whether this is what training differentiates: it may read the labels of query rows, and noise is drawn in it. */
  readonly training: boolean;
  /** Parameters that the graph adds to the model. */
  readonly tensors = new Map<string, ExtraTensor>();
  readonly #nodes: Operand[] = [];
  readonly #known = new Map<string, Node>();
  #output = -1;
  #classes = 0;
  readonly #auxiliary: { node: number; weight: number }[] = [];
  readonly #starts: { tensor: string; node: number }[] = [];
  #cold = 0;

  constructor(model: Model, training: boolean) {
    this.model = model;
    this.training = training;
  }

  #add(
    op: NameOf<'Op'>,
    rows: Dim,
    columns: Dim,
    from: readonly Node[] = [],
    options: readonly number[] = [],
    tensors: readonly string[] = [],
  ): Node {
    const operand: Operand = { op, in: from.map(({ index }) => index), tensors: [...tensors], options: [...options] };
    // What was computed once is not computed again.
    const key = JSON.stringify(operand);
    const known = op === 'noise' ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    const node = { index: this.#nodes.length, rows, columns };
    this.#nodes.push(operand);
    this.#known.set(key, node);
    return node;
  }

  // -------------------------------------------------------------------------------------------- what a task gives

  /** The model's outputs [part, outputs]. */
  outputs(part: Part): Node {
    return this.#add('slot', part, this.model.outputs, [], slot(part, 'outputs'));
  }

  /** What the last layer reads [part, features]. @param algorithm for the error where the last layer is not linear */
  features(part: Part, algorithm = THIS): Node {
    const { head, spec } = this.model;
    if (head === undefined)
      throw invalid(
        'model.body.kind',
        `has no features below a linear last layer, which ${algorithm} works on`,
        spec.body.kind,
        'mlp, say',
      );
    return this.#add('slot', part, head.features, [], slot(part, 'features'));
  }

  /** All inputs side by side, ids as their embeddings [part, width], of a model whose body concatenates them. */
  inputs(part: Part, algorithm = THIS): Node {
    const { inputs, body } = this.model.spec;
    if (body.kind !== 'mlp')
      throw invalid('model.body.kind', `does not concatenate its inputs, as ${algorithm} needs`, body.kind, 'mlp');
    const width = inputs.reduce((sum, input) => sum + widthOf(input), 0);
    return this.#add('slot', part, width, [], slot(part, 'inputs'));
  }

  /** Some of the inputs side by side, by the names that an option of the algorithm has [part, their width]. */
  profile(part: Part, names: readonly string[], algorithm: string): Node {
    const { inputs } = this.model.spec;
    const all = this.inputs(part, algorithm);
    const [first, ...others] = names.map((name, i) => {
      const at = inputs.findIndex((input) => input.name === name);
      if (at < 0) {
        const known = inputs.map((input) => input.name);
        throw unknownName(`${algorithm}.profile[${i}]`, 'no such input', name, known);
      }
      const before = inputs.slice(0, at).reduce((sum, input) => sum + widthOf(input), 0);
      return this.columns(all, before, widthOf(inputs[at]));
    });
    return this.concat(first, ...others);
  }

  /** [part, 1] */
  labels(part: Part): Node {
    return this.#add('labels', part, 1, [], [codes('Part')[part]]);
  }

  /** [1, 1] */
  count(part: Part): Node {
    return this.#add('count', 1, 1, [], [codes('Part')[part]]);
  }

  /** Classes of the support labels [S, classes]: how many of the ascending thresholds a label reaches. */
  byThreshold(thresholds: readonly number[]): Node {
    return this.#add(
      'oneHot',
      'support',
      thresholds.length + 1,
      [this.labels('support')],
      [thresholds.length + 1, ...thresholds],
    );
  }

  /** Labels that are classes, one-hot [part, classes]. */
  oneHot(part: Part, classes: number): Node {
    return this.#add('oneHot', part, classes, [this.labels(part)], [classes]);
  }

  /** A matrix that holds one number everywhere. */
  constant(value: number, rows: Dim = 1, columns: Dim = 1): Node {
    return this.#add('constant', rows, columns, [], [value, dim(rows), dim(columns)]);
  }

  /** Standard normal numbers [1, n], new ones for every task of every outer step; zeros outside training. */
  noise(n: number): Node {
    return this.#add('noise', 1, n, [], [n]);
  }

  // -------------------------------------------------------------------------------------------- parameters

  #declare(tensor: ExtraTensor): void {
    if (!this.tensors.has(tensor.name)) this.tensors.set(tensor.name, tensor);
  }

  /** A parameter of the algorithm, beside those of the model [rows, columns]. */
  parameter(name: string, rows: number, columns: number, initial: Initial): Node {
    this.#declare({ name, shape: [rows, columns], initial });
    return this.#add('parameter', rows, columns, [], [], [name]);
  }

  /** Weights of the model's last layer, which has one output [1, features]. */
  lastWeights(algorithm = THIS): Node {
    const columns = this.features('query', algorithm).columns;
    return this.#add('parameter', 1, columns, [], [], [this.model.head!.weight]);
  }

  /** x Wᵀ + b with parameters of the algorithm's own, uniform in ±1/√(columns of x), or times `scale`. */
  linear(name: string, x: Node, width: number, { bias = true, scale = 1 } = {}): Node {
    const bound = scale / Math.sqrt(x.columns as number);
    this.#declare({
      name: `${name}.weight`,
      shape: [width, x.columns as number],
      initial: { kind: 'uniform', bound },
      transposed: true,
    });
    if (bias) this.#declare({ name: `${name}.bias`, shape: [width], initial: { kind: 'uniform', bound } });
    return this.layer(name, x, width, bias);
  }

  /** x Wᵀ + b with the parameters `<name>.weight` and `<name>.bias` that the model has. */
  layer(name: string, x: Node, width: number, bias = true): Node {
    return this.#add(
      'linear',
      x.rows,
      width,
      [x],
      [],
      bias ? [`${name}.weight`, `${name}.bias`] : [`${name}.weight`, ''],
    );
  }

  /** A hidden layer and an output layer of the algorithm's own. */
  perceptron(name: string, x: Node, hidden: number, width: number, scale = 1): Node {
    return this.linear(`${name}.1`, this.activate(this.linear(`${name}.0`, x, hidden), 'relu'), width, { scale });
  }

  // -------------------------------------------------------------------------------------------- arithmetic

  #unary(name: NameOf<'Unary'>, x: Node, epsilon = 0): Node {
    return this.#add('unary', x.rows, x.columns, [x], [codes('Unary')[name], epsilon]);
  }
  /** An activation, element by element. */
  activate(x: Node, activation: Activation): Node {
    return activation === 'identity' ? x : this.#unary(activation, x);
  }
  /** eˣ, element by element. */
  exp(x: Node): Node {
    return this.#unary('exp', x);
  }
  /** log(x + ε) */
  log(x: Node, epsilon = 0): Node {
    return this.#unary('log', x, epsilon);
  }
  /** 1 / x, element by element. */
  reciprocal(x: Node): Node {
    return this.#unary('reciprocal', x);
  }
  /** s x + t */
  affine(x: Node, s: number, t: number): Node {
    return this.#add('affine', x.rows, x.columns, [x], [s, t]);
  }
  /** b may have one row or one column, or both, for all of a's. */
  add(a: Node, b: Node): Node {
    return this.#add('add', a.rows, a.columns, [a, b]);
  }
  /** a − b. */
  subtract(a: Node, b: Node): Node {
    return this.#add('subtract', a.rows, a.columns, [a, b]);
  }
  /** a · b, element by element. */
  multiply(a: Node, b: Node): Node {
    return this.#add('multiply', a.rows, a.columns, [a, b]);
  }
  /** A B, A Bᵀ or Aᵀ B. */
  product(way: NameOf<'ProductKind'>, a: Node, b: Node): Node {
    return this.#add(
      'product',
      way === 'tn' ? a.columns : a.rows,
      way === 'nt' ? b.rows : b.columns,
      [a, b],
      [codes('ProductKind')[way]],
    );
  }
  /** The softmax of every row. */
  softmax(x: Node): Node {
    return this.#add('softmax', x.rows, x.columns, [x]);
  }
  /** −‖a_i − b_j‖² */
  distance(a: Node, b: Node): Node {
    return this.#add('distance', a.rows, b.rows, [a, b]);
  }
  /** a_i · b_j / (‖a_i‖ ‖b_j‖), 0 with a zero vector. */
  cosine(a: Node, b: Node): Node {
    return this.#add('cosine', a.rows, b.rows, [a, b]);
  }
  /** [1, columns] */
  sumRows(x: Node): Node {
    return this.#add('sumRows', 1, x.columns, [x]);
  }
  /** [rows, 1] */
  sumColumns(x: Node): Node {
    return this.#add('sumColumns', x.rows, 1, [x]);
  }
  /** Mean over the support rows [1, columns], 0 where there are none. */
  meanRows(x: Node): Node {
    return this.multiply(this.sumRows(x), this.reciprocal(this.affine(this.count('support'), 1, TINY)));
  }
  /** Columns side by side; all but the first may have one row. */
  concat(first: Node, ...others: Node[]): Node {
    const all = [first, ...others];
    return this.#add(
      'concat',
      first.rows,
      all.reduce((sum, { columns }) => sum + (columns as number), 0),
      all,
    );
  }
  /** Columns `first` … `first + count − 1` of a matrix. */
  columns(x: Node, first: number, count: number): Node {
    return this.#add('columns', x.rows, count, [x], [first, count]);
  }

  /** All entries, row by row [1, rows · columns]. */
  flatten(x: Node): Node {
    return this.#add('flatten', 1, (x.rows as number) * (x.columns as number), [x]);
  }

  // -------------------------------------------------------------------------------------------- results

  /** The predictions [Q, outputs], as the model's loss takes them. @param classes of a softmax loss of the graph's own */
  output(node: Node, classes = 0): void {
    this.#output = node.index;
    this.#classes = classes;
  }

  /** Adds weight · node [1, 1] to a task's loss. */
  auxiliary(node: Node, weight: number): void {
    this.#auxiliary.push({ node: node.index, weight });
  }

  /** θ_0 of an adapted tensor = its shared value + node [1, size], linear weights as [in, out]; of a table: each row of the task + node [1, width]. */
  start(tensor: string, node: Node): void {
    this.#starts.push({ tensor, node: node.index });
  }

  /** The meta-loss is (1 − share) L_Q(θ_K) + share L_Q(θ_0). */
  coldLoss(share: number): void {
    this.#cold = share;
  }

  /** The graph as the core takes it. @param number of a tensor by name in the extended model */
  native(number: (tensor: string) => number): NativeGraphSpec {
    return {
      nodes: this.#nodes.map(({ op, in: from, tensors, options }) => ({
        op,
        in: from,
        tensors: tensors.map((name) => (name === '' ? -1 : number(name))),
        options,
      })),
      output: this.#output,
      classes: this.#classes,
      auxiliary: this.#auxiliary,
      starts: this.#starts.map(({ tensor, node }) => ({ tensor: number(tensor), node })),
      cold: this.#cold,
    };
  }
}

/** Added to counts, so that nothing divided by nothing is 0; far below a float's resolution beside 1. */
export const TINY = 1e-30;
