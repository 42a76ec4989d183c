/** How a body becomes what the native core runs: tensors, and layers over slots of activations. */
import { codes } from '../foundation/addon.js';
import type { NativeHead, NativeModelSpec } from '../foundation/addon.js';
import type { Activation, InputSpec } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { INPUT_OPTIONS } from './inputs.js';

/** Values that a tensor starts from. Each tensor has a random stream of its own, so adding one leaves the others as they were. */
export type Initial =
  { kind: 'normal'; deviation: number } | { kind: 'uniform'; bound: number } | { kind: 'constant'; value: number };

/** A parameter of a model, by name and shape. */
export interface TensorSpec {
  /** The parameter's name. */
  readonly name: string;
  /** Sizes of the dimensions. */
  readonly shape: readonly number[];
  /** A table with a row for each id of an input: its gradients are sparse rows. */
  readonly embedding: boolean;
  /** What it starts from. */
  readonly initial: Initial;
}

export const ACTIVATIONS = ['relu', 'tanh', 'sigmoid', 'softplus', 'identity'] as const satisfies readonly Activation[];

const POOLING = INPUT_OPTIONS.bag.pooling.default;

/** Standard deviation of a fresh embedding. */
const EMBEDDING_SCALE = 0.1;

/** A constant start, as that of biases, stays; the input's own deviation takes the place of any other. */
function initialOf({ init }: IdInput, given: Initial = { kind: 'normal', deviation: EMBEDDING_SCALE }): Initial {
  return init === undefined || given.kind === 'constant' ? given : { kind: 'normal', deviation: init };
}

/** Inputs that hold ids, which have embeddings. */
export type IdInput = Exclude<InputSpec, { kind: 'dense' }>;

/** Numbers that a row has of an input, an id as its embedding, where inputs are concatenated. */
export const widthOf = (input: InputSpec): number => (input.kind === 'dense' ? input.size : input.dim);

/** Activations of all rows between two layers: [rows, width]. */
export interface Slot {
  readonly index: number;
  readonly width: number;
}

/** Names of a linear layer's parameters, and what it reads. */
export interface LinearLayer {
  readonly weight: string;
  readonly bias: string;
  /** Width of its input. */
  readonly features: number;
}

/** Collects the tensors and layers that a body writes. A slot may be read once. */
export class Program {
  readonly inputs: readonly InputSpec[];
  readonly tensors: TensorSpec[] = [];
  readonly #native: Omit<NativeModelSpec, 'output' | 'heads'>;
  /** Linear layers by the slot they write. */
  readonly #linear = new Map<number, LinearLayer>();

  constructor(inputs: readonly InputSpec[]) {
    this.inputs = inputs;
    this.#native = {
      inputs: inputs.map((input) => ({
        kind: input.kind,
        size: input.kind === 'dense' ? input.size : 0,
        cardinality: input.kind === 'dense' ? 0 : input.cardinality,
        pooling: input.kind === 'bag' ? (input.pooling ?? POOLING) : POOLING,
      })),
      tensors: [],
      layers: [],
      slots: [],
    };
  }

  /** A dense tensor. @returns its number */
  tensor(name: string, shape: readonly number[], initial: Initial, transposed = false): number {
    if (this.tensors.some((tensor) => tensor.name === name)) {
      throw new InnerloopError('INVALID_OPTION', 'two parameters of one name', {
        field: 'model',
        value: name,
        expected: 'inputs of other names',
      });
    }
    this.tensors.push({ name, shape, embedding: false, initial });
    this.#native.tensors.push({ name, shape, input: -1, transposed: transposed ? 1 : 0 });
    return this.tensors.length - 1;
  }

  /** A table with a row for each id of an input. */
  table(name: string, input: IdInput, width: number, given?: Initial): number {
    const initial = initialOf(input, given);
    const t = this.tensor(name, [input.cardinality, width], initial);
    this.tensors[t] = { ...this.tensors[t], embedding: true };
    this.#native.tensors[t].input = this.inputs.indexOf(input);
    return t;
  }

  /** A layer of a kind in `native/layers/registry.cc` over slots (none: the rows themselves). */
  layer(
    kind: string,
    from: readonly Slot[],
    width: number,
    tensors: readonly number[] = [],
    options: readonly number[] = [],
  ): Slot {
    const slot = { index: this.#native.slots.length, width };
    this.#native.slots.push(width);
    this.#native.layers.push({
      kind,
      in: from.map(({ index }) => index),
      out: slot.index,
      tensors,
      options,
    });
    return slot;
  }

  // -------------------------------------------------------------------------------------------- what bodies share

  /** The inputs concatenated, each but the dense ones through its embedding `embedding.<input>.weight`. */
  features(inputs: readonly InputSpec[] = this.inputs): Slot {
    const tables = inputs.map((input) =>
      input.kind === 'dense' ? -1 : this.table(`embedding.${input.name}.weight`, input, input.dim),
    );
    const width = inputs.reduce((sum, input) => sum + widthOf(input), 0);
    return this.layer(
      'inputs',
      [],
      width,
      tables,
      inputs.map((input) => this.inputs.indexOf(input)),
    );
  }

  /** z = x Wᵀ + b; `<name>.weight` [width, x], `<name>.bias` [width], uniform in ±1/√(width of x). */
  linear(name: string, from: Slot, width: number): Slot {
    const initial: Initial = { kind: 'uniform', bound: 1 / Math.sqrt(from.width) };
    const weight = this.tensor(`${name}.weight`, [width, from.width], initial, true);
    const bias = this.tensor(`${name}.bias`, [width], initial);
    const slot = this.layer('linear', [from], width, [weight, bias]);
    this.#linear.set(slot.index, { weight: `${name}.weight`, bias: `${name}.bias`, features: from.width });
    return slot;
  }

  /** The linear layer that wrote a slot, if one did. */
  linearOf(slot: Slot): LinearLayer | undefined {
    return this.#linear.get(slot.index);
  }

  activate(from: Slot, activation: Activation): Slot {
    return activation === 'identity'
      ? from
      : this.layer('activation', [from], from.width, [], [codes('Activation')[activation]]);
  }

  /** Hidden layers `<name>.0`, `<name>.1` …, each followed by the activation and, where a rate is given, dropout. */
  hiddenLayers(name: string, from: Slot, hidden: readonly number[], activation: Activation, dropout = 0): Slot {
    return hidden.reduce(
      (slot, width, i) => this.drop(this.activate(this.linear(`${name}.${i}`, slot, width), activation), dropout),
      from,
    );
  }

  /** Hidden layers and a last linear one. */
  perceptron(
    name: string,
    from: Slot,
    hidden: readonly number[],
    outputs: number,
    activation: Activation,
    dropout = 0,
  ): Slot {
    return this.linear(`${name}.${hidden.length}`, this.hiddenLayers(name, from, hidden, activation, dropout), outputs);
  }

  drop(from: Slot, rate: number): Slot {
    return rate === 0 ? from : this.layer('dropout', [from], from.width, [], [rate, this.#native.layers.length]);
  }

  /** ⟨a, b⟩ by row. */
  dot(a: Slot, b: Slot): Slot {
    return this.layer('dot', [a, b], 1);
  }

  /** a ∘ b. */
  product(a: Slot, b: Slot): Slot {
    return this.layer('product', [a, b], a.width);
  }

  concat(...slots: readonly Slot[]): Slot {
    return slots.length === 1
      ? slots[0]
      : this.layer(
          'concat',
          slots,
          slots.reduce((sum, { width }) => sum + width, 0),
        );
  }

  /** Sum of slots, and of a bias [width] that starts at 0. */
  sum(slots: readonly Slot[], bias: string): Slot {
    const { width } = slots[0];
    return this.layer('sum', slots, width, [this.tensor(bias, [width], { kind: 'constant', value: 0 })]);
  }

  /** The embedding of one id input, as a slot of its own, in the table `<name>.weight`. */
  lookup(name: string, input: IdInput, width: number, initial?: Initial): Slot {
    return this.layer(
      'inputs',
      [],
      width,
      [this.table(`${name}.weight`, input, width, initial)],
      [this.inputs.indexOf(input)],
    );
  }

  /** @internal */
  native(output: Slot, heads: readonly NativeHead[]): NativeModelSpec {
    return { ...this.#native, output: output.index, heads };
  }
}
