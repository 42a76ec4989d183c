import { nativeError, operations } from '../foundation/addon.js';
import type { NativeHead, NativeModel, NativeOperations, NativeStore, NativeTensorRows } from '../foundation/addon.js';
import { addon } from '../foundation/addon.js';
import { BODY_KINDS, bodyOf, buildBody, checkBody } from './bodies/index.js';
import {
  checkArray,
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkSeed,
  invalid,
} from '../foundation/check.js';
import type {
  AuxiliaryHead,
  FloatArray,
  HeadSpec,
  InputSpec,
  LossSpec,
  ModelSpec,
  Parameters,
  Precision,
  SparseParameters,
  Tensor,
} from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { Uncloneable } from '../foundation/uncloneable.js';
import { resolveOptions } from '../foundation/options.js';
import type { ModelOptions } from '../foundation/option-types.js';
import { checkTensors } from './check-tensors.js';
import { ResidentParameters } from './resident.js';
import { LOSS_NAMES, lossesWhere, lossOf, outputsOf } from './losses.js';
import { AUXILIARY_OPTIONS, checkInput, MODEL_OPTIONS } from './inputs.js';
import { Program } from './layer-program.js';
import type { LinearLayer, TensorSpec } from './layer-program.js';
import { processorInstead, resolveDevice } from '../foundation/device.js';
import type { ResolvedDevice } from '../foundation/device.js';
import { fillNormal, initialStream } from './initial.js';

export type { ModelOptions } from '../foundation/option-types.js';
export type { TensorSpec } from './layer-program.js';

/** A parameter that an algorithm adds to a model for itself. */
export type ExtraTensor = Omit<TensorSpec, 'embedding'> & {
  /** A linear weight [out, in], held the way its layer reads it. */ readonly transposed?: boolean;
};

/** A model's structure: what its parameters are called and shaped. It holds no parameter values. */
export class Model extends Uncloneable {
  /** What the model was defined by. */
  readonly spec: ModelSpec;
  /** Precision of parameters and computation. */
  readonly precision: Precision;
  /** Threads that a call may use; results do not depend on it. */
  readonly threads: number;
  /** Where calls run. */
  readonly device: ResolvedDevice;
  /** The parameters, in order. */
  readonly tensors: readonly TensorSpec[];
  /** Numbers per row of output: 1, or the classes of a softmax, then those of auxiliary heads. */
  readonly outputs: number;
  /** Numbers per row of the main head, which come first. */
  readonly mainOutputs: number;
  /** The layer that writes the outputs, if it is linear: what closed-form solvers solve for, and `anil` adapts. */
  readonly head: LinearLayer | undefined;
  /** @internal */
  readonly native: NativeModel;
  /** @internal */
  readonly ops: NativeOperations;

  /** @internal use {@link defineModel} */
  constructor(
    spec: ModelSpec,
    precision: Precision,
    threads: number,
    device: ResolvedDevice,
    extra: readonly ExtraTensor[] = [],
  ) {
    super('model', 'model.spec to be sent, and defineModel(spec) where it arrives; parameters are plain data');
    this.spec = spec;
    this.precision = precision;
    this.threads = threads;
    this.device = device;
    this.ops = operations(precision);
    const heads = nativeHeads(spec.head);
    this.outputs = heads.reduce((sum, { outputs }) => sum + outputs, 0);
    this.mainOutputs = heads[0].outputs;
    const program = new Program(spec.inputs);
    const output = buildBody(program, spec.body, this.outputs);
    this.head = program.linearOf(output);
    for (const { name, shape, initial, transposed } of extra) program.tensor(name, shape, initial, transposed);
    this.tensors = program.tensors;
    try {
      const { plugin } = device;
      this.native = this.ops.createModel({
        ...program.native(output, heads),
        ...(plugin !== undefined && { device: plugin }),
      });
    } catch (error) {
      throw nativeError(error);
    }
  }

  /** @internal The same model with further parameters of an algorithm, which no layer reads. */
  extend(extra: readonly ExtraTensor[]): Model {
    return extra.length === 0 ? this : new Model(this.spec, this.precision, this.threads, this.device, extra);
  }

  /** @internal The same model on another device. */
  on(device: ResolvedDevice): Model {
    if (device.plugin === this.device.plugin && device.reason === this.device.reason) return this;
    return new Model(this.spec, this.precision, this.threads, device);
  }

  /** @internal Outputs of rows without those of auxiliary heads. */
  mainOf(outputs: FloatArray): FloatArray {
    return this.mainOutputs === this.outputs ? outputs : outputs.filter((_, i) => i % this.outputs < this.mainOutputs);
  }

  /** Number of trainable values. */
  get size(): number {
    return this.tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  }

  /**
   * Fresh parameters: linear layers uniform in ±1/√(inputs), embeddings normal with standard deviation 0.1. The same seed
   * gives the same numbers on every platform; float32 values are the rounded float64 ones.
   * @param seed an integer ≥ 0
   * @param names of the parameters to make; each has a random stream of its own. Default: all
   */
  initialize(seed: number, names?: readonly string[]): Parameters {
    checkSeed(seed, 'seed');
    const parameters: Parameters = {};
    for (const { name, shape, initial } of this.tensors) {
      if (names?.includes(name) === false) continue;
      const { data } = (parameters[name] = this.zeros(shape));
      if (initial.kind === 'constant') {
        data.fill(initial.value);
        continue;
      }
      if (initial.kind === 'normal') {
        fillNormal(this, data, seed, name, initial.deviation);
        continue;
      }
      const stream = initialStream(seed, name);
      for (let i = 0; i < data.length; i++) data[i] = initial.bound * (2 * stream.uniform() - 1);
    }
    return parameters;
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

  /** @internal Checked native copy of a full set of parameters (or of a vector shaped like them); resident ones as they are. */
  store(parameters: Parameters | ResidentParameters, field = 'params'): NativeStore {
    if (parameters instanceof ResidentParameters) {
      if (parameters.model !== this)
        throw invalid(field, 'are of another model', parameters, 'parameters of this model');
      return parameters.store;
    }
    checkTensors(parameters, field, this.tensors);
    const store = this.ops.createStore(this.native);
    this.tensors.forEach(({ name }, t) => {
      const { data } = parameters[name];
      // An array of another realm is copied, because the native core takes only those of this one.
      const fits = data instanceof (this.precision === 'float32' ? Float32Array : Float64Array);
      this.ops.writeTensor(store, t, fits ? data : this.floats(data));
    });
    return store;
  }

  /** @internal Tensors by name from arrays by tensor; missing ones are left out. */
  named(arrays: readonly (FloatArray | undefined)[]): Parameters;
  /** @internal The same, of tables some rows. */
  named(arrays: readonly (NativeTensorRows | undefined)[]): SparseParameters;
  named(arrays: readonly (NativeTensorRows | undefined)[]): SparseParameters {
    const parameters: SparseParameters = {};
    this.tensors.forEach(({ name, shape }, t) => {
      const given = arrays[t];
      if (given === undefined) return;
      parameters[name] = { shape: [...shape], ...('rows' in given ? given : { data: given }) };
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
 * Defines a model: inputs, a body of layers over them, and a loss.
 *
 * ```ts
 * const model = defineModel({
 *   inputs: [{ name: 'genres', kind: 'bag', cardinality: 20, dim: 8 }, { name: 'x', kind: 'dense', size: 4 }],
 *   body: { kind: 'mlp', hidden: [64, 64], activation: 'relu' },
 *   head: { loss: 'mse' },
 * });
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; UNSUPPORTED, NATIVE if the native core cannot be loaded; with
 * `device: 'cuda'` one of the CUDA codes, and UNSUPPORTED naming what of the model does not run there
 */
export function defineModel(spec: ModelSpec, options: ModelOptions = {}): Model {
  const { precision, threads = addon().hardwareThreads, device } = resolveOptions(options, 'options', MODEL_OPTIONS);
  checkSpec(spec);
  const kept = structuredClone(spec);
  const there = resolveDevice(device, 'options.device');
  try {
    return new Model(kept, precision, threads, there);
  } catch (error) {
    return new Model(kept, precision, threads, processorInstead(there, error));
  }
}

function checkSpec(spec: unknown): asserts spec is ModelSpec {
  checkObject(spec, 'model', ['inputs', 'body', 'head', 'episode']);
  const { inputs, body, head } = spec;
  checkArray(inputs, 'model.inputs', 'inputs');
  if (inputs.length === 0) throw invalid('model.inputs', 'empty', inputs, 'at least one input');
  // A body that is no object, or of a kind that does not exist, is refused below.
  const embedsDense = (body as { kind?: unknown } | null | undefined)?.kind === 'fm';
  const names = new Set<string>();
  // Not forEach, which passes over holes.
  for (const [i, input] of inputs.entries()) {
    const field = `model.inputs[${i}]`;
    checkInput(input, field, embedsDense);
    if (names.has(input.name))
      throw invalid(`${field}.name`, 'used twice', input.name, 'a name of its own for each input');
    names.add(input.name);
  }

  checkObject(body, 'model.body', ['kind', ...BODY_KINDS.flatMap((each) => Object.keys(bodyOf(each).options))]);
  const { kind } = body;
  checkOneOf(kind, 'model.body.kind', BODY_KINDS);
  checkBody({ ...body, kind }, 'model.body', inputs as InputSpec[]);

  checkObject(head, 'model.head', ['loss', 'classes', 'classWeights', 'also']);
  const { also, ...main } = head;
  checkLoss(main, 'model.head');
  checkEpisode(spec['episode'], main);
  if (bodyOf(kind).oneOutput === true && (also !== undefined || lossOf(main).leastClasses !== undefined)) {
    throw invalid(
      'model.head',
      `has several outputs, but ${kind} gives one`,
      head,
      `one of ${lossesWhere(({ leastClasses }) => leastClasses === undefined).join(', ')} alone`,
    );
  }
  if (also === undefined) return;
  if ('classWeights' in main && main.classWeights !== undefined)
    throw invalid(
      'model.head.classWeights',
      'is for a single head',
      main.classWeights,
      'no weights, or weights of rows',
    );
  if (lossOf(main).isEmbedding)
    throw invalid('model.head.also', `does not apply to the loss ${main.loss}`, also, 'a loss of the rows');
  checkArray(also, 'model.head.also', 'heads');
  for (const [i, each] of also.entries()) {
    const field = `model.head.also[${i}]`;
    checkObject(each, field, ['name', 'weight', 'loss', 'classes']);
    const { name, weight, ...loss } = each;
    resolveOptions({ name, weight }, field, AUXILIARY_OPTIONS);
    checkLoss(loss, field);
  }
}

function checkEpisode(episode: unknown, main: LossSpec): void {
  if (episode === undefined) return;
  checkObject(episode, 'model.episode', ['classes']);
  if (!lossOf(main).isEmbedding)
    throw invalid('model.episode', `does not apply to the loss ${main.loss}`, episode, 'loss episode');
  checkInteger(episode['classes'], 'model.episode.classes', 2, 65536);
}

function checkLoss(head: Record<string, unknown>, field: string): asserts head is LossSpec {
  if (typeof head['loss'] === 'function')
    throw new InnerloopError('UNSUPPORTED', 'losses are computed by the native core, not by functions', {
      field: `${field}.loss`,
      value: head['loss'],
      expected: `one of ${LOSS_NAMES.join(', ')}, or defineAlgorithm with a graph of its own`,
    });
  const isMain = field === 'model.head';
  checkOneOf(head['loss'], `${field}.loss`, isMain ? LOSS_NAMES : lossesWhere(({ isEmbedding }) => !isEmbedding));
  const { leastClasses } = lossOf(head as LossSpec);
  if (leastClasses !== undefined) checkInteger(head['classes'], `${field}.classes`, leastClasses, 65536);
  else if (head['classes'] !== undefined)
    throw invalid(`${field}.classes`, `does not apply to ${head['loss']}`, head['classes'], 'loss softmax');
  if (isMain && head['classWeights'] !== undefined)
    checkClassWeights(head['classWeights'], head as LossSpec, `${field}.classWeights`);
}

/** One number a class, which are not all 0. */
function checkClassWeights(weights: unknown, head: LossSpec, field: string): void {
  const loss = lossOf(head);
  if (loss.weighs === undefined)
    throw invalid(
      field,
      `does not apply to ${head.loss}`,
      weights,
      `loss ${lossesWhere((other) => other.weighs !== undefined).join(' or ')}`,
    );
  checkArray(weights, field, 'numbers');
  const classes = loss.weighs(head);
  if (weights.length !== classes)
    throw invalid(field, `has ${weights.length} weights`, weights, `${classes}, one for each class`);
  weights.forEach((weight, c) => checkNumber(weight, `${field}[${c}]`, 0));
  if (weights.every((weight) => weight === 0))
    throw invalid(field, 'leaves nothing to learn', weights, 'a weight above 0');
}

function nativeHeads({ also = [], ...main }: HeadSpec): NativeHead[] {
  return [main, ...also].map((head) => ({
    loss: lossOf(head).native,
    outputs: outputsOf(head),
    weight: (head as Partial<AuxiliaryHead>).weight ?? AUXILIARY_OPTIONS.weight.default,
    ...('classWeights' in head &&
      head.classWeights !== undefined && { classWeights: Float64Array.from(head.classWeights) }),
  }));
}
