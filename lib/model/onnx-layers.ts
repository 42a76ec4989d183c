/** The layers of a model as operators of ONNX: of every body, since bodies are all made of the same few layers. */
import { codes } from '../foundation/addon.js';
import type { NativeModelSpec } from '../foundation/addon.js';
import type { InputSpec, Parameters } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { elementOf } from '../files/onnx.js';
import type { OnnxElement, OnnxGraph } from '../files/onnx.js';
import { buildBody } from './bodies/index.js';
import { INPUT_OPTIONS } from './inputs.js';
import { Program } from './layer-program.js';
import type { TensorSpec } from './layer-program.js';
import type { Model } from './model.js';

type Layer = NativeModelSpec['layers'][number];

const ACTIVATIONS: Readonly<Record<string, string>> = {
  relu: 'Relu',
  tanh: 'Tanh',
  sigmoid: 'Sigmoid',
};

/**
 * Adds the layers of a model to a graph.
 *
 * @param parameters of the model, those of a task among them where it is adapted
 * @param given the value of each input: ids [rows], lists of ids [rows, n] with −1 after the last, numbers [rows, size]
 * @returns the outputs of all heads [rows, outputs]
 */
export function addLayers(graph: OnnxGraph, model: Model, parameters: Parameters, given: readonly string[]): string {
  const program = new Program(model.spec.inputs);
  const output = buildBody(program, model.spec.body, model.outputs);
  const { layers } = program.native(output, []);
  const writer = new Writer(graph, model, given, program.tensors, parameters);
  return writer.run(layers, output.index);
}

/** Ids of an input as the graph reads them: where there are none, id 0 with weight 0. */
interface Ids {
  safe: string;
  /** 1 for an id, 0 for padding, [rows, n]; undefined for one id a row. */
  mask: string | undefined;
}

class Writer {
  readonly #graph: OnnxGraph;
  readonly #inputs: readonly InputSpec[];
  readonly #given: readonly string[];
  readonly #tensors: readonly TensorSpec[];
  readonly #parameters: Parameters;
  readonly #model: Model;
  readonly #element: OnnxElement;
  readonly #ids = new Map<number, Ids>();
  readonly #kept = new Set<string>();
  readonly #slots = new Map<number, string>();

  constructor(
    graph: OnnxGraph,
    model: Model,
    given: readonly string[],
    tensors: readonly TensorSpec[],
    parameters: Parameters,
  ) {
    this.#graph = graph;
    this.#model = model;
    this.#inputs = model.spec.inputs;
    this.#given = given;
    this.#tensors = tensors;
    this.#parameters = parameters;
    this.#element = elementOf(model.precision);
  }

  run(layers: readonly Layer[], output: number): string {
    for (const layer of layers) this.#slots.set(layer.out, this.#layer(layer));
    return this.#slots.get(output)!;
  }

  #layer(layer: Layer): string {
    const graph = this.#graph;
    const from = layer.in.map((slot) => this.#slots.get(slot)!);
    const { tensors = [], options = [] } = layer;
    switch (layer.kind) {
      case 'inputs': {
        const columns = options.map((input, k) => this.#column(input, tensors[k]));
        return columns.length === 1 ? columns[0] : graph.node('Concat', columns, { axis: 1 });
      }
      case 'linear':
        return graph.node('Gemm', [from[0], this.#tensor(tensors[0]), this.#tensor(tensors[1])], { transB: 1 });
      case 'activation': {
        const [name] = Object.entries(codes('Activation')).find(([, code]) => code === options[0])!;
        return name === 'softplus' ? this.#softplus(from[0]) : graph.node(ACTIVATIONS[name], from);
      }
      case 'dot':
        return this.#sumOverWidth(graph.node('Mul', from));
      case 'product':
        return graph.node('Mul', from);
      case 'sum':
        return graph.node('Sum', tensors[0] >= 0 ? [...from, this.#tensor(tensors[0])] : from);
      case 'concat':
        return graph.node('Concat', from, { axis: 1 });
      case 'terms':
        return graph.node('Sum', this.#weighted(options, tensors));
      case 'pairs':
        return this.#pairs(options, tensors);
      case 'gru':
        return this.#gru(options[0], tensors);
      // Nothing is dropped outside of training.
      case 'dropout':
        return from[0];
      default:
        throw new InnerloopError('UNSUPPORTED', 'has no form in ONNX', { field: 'model.body', value: layer.kind });
    }
  }

  /** The parameter of a number, put into the file the first time. */
  #tensor(t: number): string {
    const { name, shape } = this.#tensors[t];
    if (!this.#kept.has(name)) {
      this.#kept.add(name);
      this.#graph.tensor(name, shape, this.#element, this.#model.floats(this.#parameters[name].data));
    }
    return name;
  }

  /** Numbers that are no parameter. */
  #constant(name: string, shape: readonly number[], values: ArrayLike<number>): string {
    return this.#graph.tensor(name, shape, this.#element, this.#model.floats(values));
  }

  #one(): string {
    if (!this.#kept.has('one')) {
      this.#kept.add('one');
      this.#constant('one', [1], [1]);
    }
    return 'one';
  }

  /** max(x, 0) + log(1 + e^−|x|): onnxruntime has no softplus of doubles. */
  #softplus(x: string): string {
    const graph = this.#graph;
    const small = graph.node('Exp', [graph.node('Neg', [graph.node('Abs', [x])])]);
    return graph.node('Add', [graph.node('Relu', [x]), graph.node('Log', [graph.node('Add', [small, this.#one()])])]);
  }

  #sumOverWidth(value: string): string {
    return this.#graph.node('ReduceSum', [value, this.#graph.integers(1)], { keepdims: 1 });
  }

  /** Dense values, or the embedding of an id, or of ids pooled. */
  #column(input: number, tensor: number): string {
    return tensor < 0 ? this.#given[input] : this.#pooled(input, this.#tensor(tensor), 1);
  }

  #idsOf(input: number): Ids {
    const known = this.#ids.get(input);
    if (known !== undefined) return known;
    const graph = this.#graph;
    const given = this.#given[input];
    let ids: Ids = { safe: given, mask: undefined };
    if (this.#inputs[input].kind !== 'categorical') {
      const zero = graph.integers(0);
      const isId = graph.node('GreaterOrEqual', [given, zero]);
      const mask = graph.node('Cast', [isId], { to: this.#element === 'float' ? 1 : 11 });
      ids = { safe: graph.node('Max', [given, zero]), mask };
    }
    this.#ids.set(input, ids);
    return ids;
  }

  /** Rows of a table by the ids of an input; of several the sum, or Σ / n^power where the input takes means. */
  #pooled(input: number, table: string, power: 1 | 2): string {
    const graph = this.#graph;
    const { safe, mask } = this.#idsOf(input);
    const rows = graph.node('Gather', [table, safe], { axis: 0 });
    if (mask === undefined) return rows;
    const last = graph.node('Unsqueeze', [mask, graph.integers(2)]);
    const sum = graph.node('ReduceSum', [graph.node('Mul', [rows, last]), graph.integers(1)], { keepdims: 0 });
    const spec = this.#inputs[input];
    const pooling = spec.kind === 'bag' ? (spec.pooling ?? INPUT_OPTIONS.bag.pooling.default) : 'mean';
    if (pooling === 'sum') return sum;
    const count = graph.node('Max', [this.#sumOverWidth(mask), this.#one()]);
    return graph.node('Div', [sum, power === 1 ? count : graph.node('Mul', [count, count])]);
  }

  /** Σ x_i w_i of each input, [rows, width of the tables]. */
  #weighted(inputs: readonly number[], tensors: readonly number[]): string[] {
    return inputs.map((input, k) =>
      this.#inputs[input].kind === 'dense'
        ? this.#graph.node('MatMul', [this.#given[input], this.#tensor(tensors[k])])
        : this.#pooled(input, this.#tensor(tensors[k]), 1),
    );
  }

  /** ½ (‖s‖² − Σ x_i² ‖v_i‖²),  s = Σ x_i v_i */
  #pairs(inputs: readonly number[], tensors: readonly number[]): string {
    const graph = this.#graph;
    const s = graph.node('Sum', this.#weighted(inputs, tensors));
    const squares = inputs.map((input, k) => {
      const table = this.#tensor(tensors[k]);
      const norms = this.#sumOverWidth(graph.node('Mul', [table, table]));
      if (this.#inputs[input].kind !== 'dense') return this.#pooled(input, norms, 2);
      const x = this.#given[input];
      return graph.node('MatMul', [graph.node('Mul', [x, x]), norms]);
    });
    const whole = this.#sumOverWidth(graph.node('Mul', [s, s]));
    const twice = graph.node('Sub', [whole, graph.node('Sum', squares)]);
    return graph.node('Mul', [twice, this.#constant('half', [1], [0.5])]);
  }

  /** The last state. ONNX has the gates in the order update, reset, new, and takes the reset after the product as here. */
  #gru(input: number, [table, ...gates]: readonly number[]): string {
    const graph = this.#graph;
    if (this.#element === 'double')
      throw new InnerloopError('UNSUPPORTED', 'is a GRU in float64, which onnxruntime does not run', {
        field: 'model.body',
        expected: 'a model in float32',
      });
    const { safe, mask } = this.#idsOf(input);
    const [width] = this.#tensors[gates[1]].shape.slice(1);
    const reordered = gates.map((t) => {
      const { name, shape } = this.#tensors[t];
      const { data } = this.#parameters[name];
      const gate = data.length / 3;
      const values = [1, 0, 2].flatMap((g) => Array.from(data.subarray(g * gate, (g + 1) * gate)));
      return { name, shape, values };
    });
    const [w, r, wb, rb] = reordered;
    const x = graph.node('Transpose', [graph.node('Gather', [this.#tensor(table), safe], { axis: 0 })], {
      perm: [1, 0, 2],
    });
    const counts = graph.node('ReduceSum', [mask!, graph.integers(1)], { keepdims: 1 });
    const lengths = graph.node('Cast', [graph.node('Squeeze', [counts, graph.integers(1)])], { to: 6 });
    const state = graph.second(
      'GRU',
      [
        x,
        this.#constant(w.name, [1, ...w.shape], w.values),
        this.#constant(r.name, [1, ...r.shape], r.values),
        this.#constant('gru.bias', [1, 6 * width], [...wb.values, ...rb.values]),
        lengths,
      ],
      { hidden_size: width, linear_before_reset: 1 },
    );
    // An empty sequence has the state 0.
    const some = graph.node('Min', [counts, this.#one()]);
    return graph.node('Mul', [graph.node('Squeeze', [state, graph.integers(0)]), some]);
  }
}
