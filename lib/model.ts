import { nativeError, operations } from './addon.js';
import type { NativeModel, NativeModelSpec, NativeOperations, NativeStore } from './addon.js';
import { addon } from './addon.js';
import { checkArray, checkInteger, checkObject, checkOneOf, checkSeed, checkString, invalid } from './check.js';
import type { Activation, FloatArray, InputSpec, ModelSpec, Parameters, Precision, Tensor } from './contract.js';
import { InnerloopError, suggesting } from './errors.js';
import { random } from './random.js';

export interface ModelOptions {
  /** Default `float32`; `float64` is for checks and research. */
  precision?: Precision;
  /** Threads a call may use. Default: all hardware threads. Results do not depend on it. */
  threads?: number;
}

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** An embedding table: its gradients are sparse rows. */
  readonly embedding: boolean;
}

const ACTIVATIONS: readonly Activation[] = ['relu', 'tanh', 'sigmoid', 'softplus', 'identity'];
const LOSSES = ['mse', 'bce', 'softmax'] as const;
const KINDS = ['dense', 'categorical', 'bag'] as const;
const POOLINGS = ['mean', 'sum'] as const;
const DEFAULT_ACTIVATION: Activation = 'relu';
/** Standard deviation of a fresh embedding. */
const EMBEDDING_SCALE = 0.1;
/** Initial precision of the last layer's prior, in units of the noise's. */
const PRIOR_PRECISION = 4;

/** A model's structure: what its parameters are called and shaped. It holds no parameter values. */
export class Model {
  readonly spec: ModelSpec;
  readonly precision: Precision;
  readonly threads: number;
  readonly tensors: readonly TensorSpec[];
  /** Numbers per row of output: 1, or the classes of a softmax. */
  readonly outputs: number;
  /** @internal */
  readonly native: NativeModel;
  /** @internal */
  readonly ops: NativeOperations;

  /** @internal use {@link defineModel} */
  constructor(spec: ModelSpec, precision: Precision, threads: number) {
    this.spec = spec;
    this.precision = precision;
    this.threads = threads;
    this.ops = operations(precision);
    const native = toNative(spec);
    this.outputs = native.outputs;
    try {
      this.native = this.ops.createModel(native);
    } catch (error) {
      throw nativeError(error);
    }
    this.tensors = this.ops.describeModel(this.native);
  }

  /** Number of trainable values. */
  get size(): number {
    return this.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  }

  /**
   * Fresh parameters: linear layers uniform in ±1/√(inputs), embeddings normal with standard deviation 0.1. The same seed
   * gives the same numbers on every platform; float32 values are the rounded float64 ones.
   * @param seed an integer ≥ 0
   */
  initialize(seed: number): Parameters {
    checkSeed(seed, 'seed');
    const parameters: Parameters = {};
    for (const { name, shape, embedding } of this.tensors) {
      const tensor = this.zeros(shape);
      const stream = random(seed, `initialize.${name}`);
      if (embedding) {
        for (let i = 0; i < tensor.data.length; i++) tensor.data[i] = EMBEDDING_SCALE * stream.normal();
      } else if (name === 'prior.logPrecision') {
        tensor.data.fill(Math.log(PRIOR_PRECISION));
      } else {
        const bound = 1 / Math.sqrt(this.#fanIn(name));
        for (let i = 0; i < tensor.data.length; i++) tensor.data[i] = bound * (2 * stream.uniform() - 1);
      }
      parameters[name] = tensor;
    }
    return parameters;
  }

  /** Inputs of the linear layer a weight or bias belongs to. */
  #fanIn(name: string): number {
    const weight = this.tensors.find((t) => t.name === name.replace(/bias$/, 'weight'));
    return weight?.shape[1] ?? 1;
  }

  /** @internal */
  zeros(shape: readonly number[]): Tensor {
    return { shape: [...shape], data: this.floats(shape.reduce((a, b) => a * b, 1)) };
  }

  /** @internal An array of this model's element type: of a length, or a converted copy. */
  floats(from: number | ArrayLike<number>): FloatArray {
    const kind = this.precision === 'float32' ? Float32Array : Float64Array;
    return typeof from === 'number' ? new kind(from) : kind.from(from);
  }

  /** @internal Checked native copy of a full set of parameters (or of a vector shaped like them). */
  store(parameters: Parameters, field = 'params'): NativeStore {
    checkTensors(parameters, field, this.tensors);
    const store = this.ops.createStore(this.native);
    this.tensors.forEach(({ name }, t) => {
      const { data } = parameters[name]!;
      const fits = data instanceof (this.precision === 'float32' ? Float32Array : Float64Array);
      this.ops.writeTensor(store, t, fits ? data : this.floats(data));
    });
    return store;
  }

  /** @internal Tensors by name from arrays by tensor; missing ones are left out. */
  named(arrays: readonly (FloatArray | undefined)[]): Parameters {
    const parameters: Parameters = {};
    this.tensors.forEach(({ name, shape }, t) => {
      const data = arrays[t];
      if (data !== undefined) parameters[name] = { shape: [...shape], data };
    });
    return parameters;
  }

  /** @internal Every value of a store as tensors. */
  read(store: NativeStore): Parameters {
    try {
      return this.named(this.tensors.map((_, t) => this.ops.readTensor(store, t)));
    } catch (error) {
      throw nativeError(error);
    }
  }
}

/**
 * Defines a model: inputs concatenated into a multilayer perceptron under a loss.
 *
 * ```ts
 * const model = defineModel({
 *   inputs: [{ name: 'genres', kind: 'bag', cardinality: 20, dim: 8 }, { name: 'x', kind: 'dense', size: 4 }],
 *   body: { kind: 'mlp', hidden: [64, 64], activation: 'relu' },
 *   head: { loss: 'mse' },
 * });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; UNSUPPORTED, NATIVE if the native core cannot be loaded
 */
export function defineModel(spec: ModelSpec, options: ModelOptions = {}): Model {
  checkObject(options, 'options', ['precision', 'threads']);
  const { precision = 'float32', threads = addon().hardwareThreads } = options;
  checkOneOf(precision, 'options.precision', ['float32', 'float64']);
  checkInteger(threads, 'options.threads', 1, 1024);
  checkSpec(spec);
  return new Model(structuredClone(spec), precision, threads);
}

function checkSpec(spec: unknown): asserts spec is ModelSpec {
  checkObject(spec, 'model', ['inputs', 'body', 'head']);
  const { inputs, body, head } = spec;
  checkArray(inputs, 'model.inputs', 'inputs');
  if (inputs.length === 0) throw invalid('model.inputs', 'empty', inputs, 'at least one input');
  const names = new Set<string>();
  // Not forEach, which passes over holes.
  for (const [i, input] of inputs.entries()) {
    const field = `model.inputs[${i}]`;
    checkInput(input, field);
    if (names.has(input.name)) throw invalid(`${field}.name`, 'used twice', input.name, 'a name of its own for each input');
    names.add(input.name);
  }

  checkObject(body, 'model.body', ['kind', 'hidden', 'activation']);
  checkOneOf(body['kind'], 'model.body.kind', ['mlp']);
  checkArray(body['hidden'], 'model.body.hidden', 'layer widths');
  for (const [i, width] of body['hidden'].entries()) checkInteger(width, `model.body.hidden[${i}]`, 1, 65536);
  if (body['activation'] !== undefined) checkOneOf(body['activation'], 'model.body.activation', ACTIVATIONS);

  checkObject(head, 'model.head', ['loss', 'classes', 'prior']);
  checkOneOf(head['loss'], 'model.head.loss', LOSSES);
  if (head['prior'] !== undefined) {
    checkOneOf(head['prior'], 'model.head.prior', ['gaussian']);
    if (head['loss'] !== 'mse') throw invalid('model.head.prior', `does not apply to ${head['loss']}`, head['prior'], 'loss mse');
  }
  if (head['loss'] === 'softmax') checkInteger(head['classes'], 'model.head.classes', 2, 65536);
  else if (head['classes'] !== undefined) {
    throw invalid('model.head.classes', `does not apply to ${head['loss']}`, head['classes'], 'loss softmax');
  }
}

function checkInput(input: unknown, field: string): asserts input is InputSpec {
  checkObject(input, field, ['name', 'kind', 'size', 'cardinality', 'dim', 'pooling', 'vocabulary']);
  checkString(input['name'], `${field}.name`);
  checkOneOf(input['kind'], `${field}.kind`, KINDS);
  const fields = { dense: ['size'], categorical: ['cardinality', 'dim', 'vocabulary'], bag: ['cardinality', 'dim', 'pooling', 'vocabulary'] }[input['kind']];
  checkObject(input, field, ['name', 'kind', ...fields]);
  if (input['kind'] === 'dense') return checkInteger(input['size'], `${field}.size`, 1, 65536);
  checkInteger(input['cardinality'], `${field}.cardinality`, 1, 2 ** 31 - 1);
  checkInteger(input['dim'], `${field}.dim`, 1, 65536);
  const { vocabulary } = input;
  if (vocabulary !== undefined) {
    checkArray(vocabulary, `${field}.vocabulary`, 'texts');
    if (vocabulary.length !== input['cardinality']) {
      throw invalid(`${field}.vocabulary`, `has ${vocabulary.length} texts`, vocabulary, `${String(input['cardinality'])}, as the cardinality`);
    }
    vocabulary.forEach((text, id) => {
      if (typeof text !== 'string') throw invalid(`${field}.vocabulary[${id}]`, 'not a text', text, 'a string');
    });
  }
  if (input['pooling'] !== undefined) checkOneOf(input['pooling'], `${field}.pooling`, POOLINGS);
}

function toNative({ inputs, body, head }: ModelSpec): NativeModelSpec {
  return {
    inputs: inputs.map((input) => ({
      name: input.name,
      kind: KINDS.indexOf(input.kind),
      width: input.kind === 'dense' ? input.size : input.dim,
      cardinality: input.kind === 'dense' ? 0 : input.cardinality,
      pooling: input.kind === 'bag' ? POOLINGS.indexOf(input.pooling ?? 'mean') : 0,
    })),
    hidden: body.hidden,
    activation: ACTIVATIONS.indexOf(body.activation ?? DEFAULT_ACTIVATION),
    loss: LOSSES.indexOf(head.loss),
    outputs: head.loss === 'softmax' ? head.classes : 1,
    prior: head.loss === 'mse' && head.prior !== undefined ? 1 : 0,
  };
}

/** Checks that `parameters` holds exactly these tensors (some of them, if `partial`) with these shapes. */
export function checkTensors(parameters: unknown, field: string, tensors: readonly Omit<TensorSpec, 'embedding'>[], partial = false): asserts parameters is Parameters {
  if (typeof parameters !== 'object' || parameters === null) {
    throw invalid(field, 'not an object', parameters, 'tensors by parameter name');
  }
  const given = parameters as Record<string, unknown>;
  const names = tensors.map(({ name }) => name);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    throw new InnerloopError('UNKNOWN_OPTION', suggesting('no such parameter', name, names), {
      field: `${field}.${name}`,
      expected: `one of ${names.join(', ')}`,
    });
  }
  for (const { name, shape } of tensors) {
    if (partial && !Object.hasOwn(given, name)) continue;
    const tensor = given[name] as Partial<Tensor> | undefined;
    const at = `${field}.${name}`;
    const expected = `a tensor of shape [${shape.join(', ')}]`;
    if (typeof tensor !== 'object' || tensor === null) throw invalid(at, 'missing', tensor, expected);
    if (!Array.isArray(tensor.shape) || tensor.shape.length !== shape.length || tensor.shape.some((n, i) => n !== shape[i])) {
      throw invalid(`${at}.shape`, 'does not fit the model', tensor.shape, expected);
    }
    const { data } = tensor;
    if (!(data instanceof Float32Array || data instanceof Float64Array)) {
      throw invalid(`${at}.data`, 'not a float array', data, 'a Float32Array or Float64Array');
    }
    const size = shape.reduce((a, b) => a * b, 1);
    if (data.length !== size) throw invalid(`${at}.data`, `holds ${data.length} values`, data, `${size} values`);
  }
}
