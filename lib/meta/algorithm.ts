import type { NameOf, NativeInnerLoop, NativeUpdate } from '../foundation/addon.js';
import { checkHasLoss } from '../batch/batch.js';
import { invalid } from '../foundation/check.js';
import { resolveOptions } from '../foundation/options.js';
import type { OptionsOf, OptionTable, Resolved } from '../foundation/options.js';
import type { OptionsByAlgorithm } from './algorithm-option-types.js';
import { GRADIENT_OPTIONS } from './algorithm-options.js';
import type { TaskGraph } from './graphs/graph.js';
import { selectTensors } from './inner-loop.js';
import { resolveRule } from './inner-rule.js';
import type { ExtraTensor, Model } from '../model/model.js';
import type { LinearLayer, TensorSpec } from '../model/layer-program.js';

/** `fixed`, or learned with the parameters: one rate per parameter (Meta-SGD), or one per tensor and step (MAML++). */
export type RateKind = 'fixed' | 'perParameter' | 'perStep';

/** A schedule over the first epochs of training. */
export interface Annealing {
  /** How many epochs the schedule lasts. */
  epochs: number;
}

/** How a learner adapts to a task and how its parameters are meta-learned; made by a factory of algorithms/. */
export interface Algorithm {
  /** The name by which a saved learner finds its factory. */
  readonly name: string;
  /** The options with their defaults: plain data, from which a saved learner is made again. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Inner gradient steps K. */
  readonly steps: number;
  /** Inner learning rate α, the initial one where rates are learned. */
  readonly learningRate: number;
  /** The parameters that adapt, by name or pattern such as `mlp.*`; the others are shared by all tasks. */
  readonly adapt: 'all' | readonly string[];
  /** 2: the exact meta-gradient; 1: the first-order approximation, without the second derivatives. */
  readonly order: 1 | 2;
  /** Whether inner rates are fixed or learned. */
  readonly rates: RateKind;
  /** Added to the support count, L_S = Σ loss / (n + shrinkage), so that tasks with few rows move less. */
  readonly shrinkage: number;
  /** What the outer step follows. Reptile's inner loop runs over all rows of a training task, query rows included. */
  readonly direction: 'meta-gradient' | 'reptile' | 'joint';
  /** `gradient` steps, or the last layer in closed form: `ridge`. */
  readonly solver: NameOf<'SolverKind'>;
  /** What a step follows; undefined: the gradient. */
  readonly update?: NativeUpdate;
  /** Weight λ of the pull back to the shared parameters in the inner loss; undefined: none. */
  readonly proximal?: number;
  /** Epochs over which the meta-loss goes from the mean over all steps to the last step alone. */
  readonly multiStepEpochs?: number;
  /** Epochs at the beginning that are of first order. */
  readonly firstOrderEpochs?: number;
  /** What else the native inner loop needs. */
  readonly native?: Partial<NativeInnerLoop>;
  /** Made by `defineAlgorithm`: its options are its whole specification, apart from a graph. */
  readonly isOwn?: true;
  /** Writes the graph of an algorithm of one's own. */
  readonly graph?: (graph: TaskGraph) => void;
  /** What the algorithm adds to a model. */
  readonly extend?: (this: Algorithm, model: Model) => Extension;
}

/** Parameters that an algorithm adds, which are learned, saved and resumed as all others, and what the native core does with them. */
export interface Extension {
  readonly tensors: readonly ExtraTensor[];
  /** Joins the native inner loop. @param model the extended model @param tensor number of a parameter by name */
  readonly native?: (model: Model, tensor: (name: string) => number) => Partial<NativeInnerLoop>;
}

/** The fields of an algorithm that follow from its options. @internal */
export type Form = Omit<Algorithm, 'name' | 'options'>;

/** Makes an algorithm from its options; `options` is their table. */
export interface AlgorithmFactory<T extends OptionTable, Options = OptionsOf<T>> {
  (options?: Options): Algorithm;
  readonly options: T;
}

/** The documented type of an algorithm's options; the bare one for an algorithm that `npm run options` has not seen yet. */
export type NamedOptions<Name extends string, T> = Name extends keyof OptionsByAlgorithm
  ? OptionsByAlgorithm[Name]
  : OptionsOf<T>;

/** Every algorithm that was made here, as it was made. */
const made = new WeakSet<object>();

/**
 * A factory of algorithms. What it returns is frozen: what a learner runs is what its options say, and what is saved.
 *
 * @param form what the algorithm is under checked options
 * @internal
 */
export function algorithmFactory<const Name extends string, const T extends OptionTable>(
  name: Name,
  table: T,
  form: (options: Resolved<T>) => Form,
): AlgorithmFactory<T, NamedOptions<Name, T>> {
  const factory = (given: NamedOptions<Name, T> = {} as NamedOptions<Name, T>): Algorithm => {
    const options = resolveOptions(given, name, table);
    return sealed({ name, options: options, ...form(options) });
  };
  return Object.assign(factory, { options: table });
}

/** @internal */
export function sealed(algorithm: Algorithm): Algorithm {
  freeze(algorithm.options);
  made.add(algorithm);
  return Object.freeze(algorithm);
}

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return;
  Object.freeze(value);
  Object.values(value).forEach(freeze);
}

/** Whether a factory or `defineAlgorithm` made this very object. @internal */
export const isMade = (algorithm: unknown): algorithm is Algorithm =>
  typeof algorithm === 'object' && algorithm !== null && made.has(algorithm);

type GradientForm = Pick<Form, 'steps' | 'learningRate' | 'adapt' | 'rates' | 'shrinkage' | 'update' | 'proximal'>;

/** The part of a form that the gradient options decide; those that an algorithm does not have are at their defaults. @internal */
export function gradientForm(options: Partial<Resolved<typeof GRADIENT_OPTIONS>>, name: string): GradientForm {
  const all = { ...resolveOptions({}, name, GRADIENT_OPTIONS), ...options };
  const { steps, learningRate, adapt, rates, shrinkage, inner, proximal } = all;
  return {
    steps,
    learningRate,
    adapt,
    rates,
    shrinkage,
    update: resolveRule(inner, `${name}.inner`),
    proximal,
  };
}

/** Exact meta-gradients through gradient steps: what most algorithms are. @internal */
export const SECOND_ORDER = { order: 2, direction: 'meta-gradient', solver: 'gradient' } as const;

/** The inner loop of an algorithm on the model that it extended, apart from learned rates. @internal */
export function innerLoopOf(algorithm: Algorithm, model: Model, extension: Extension | undefined): NativeInnerLoop {
  const { steps, order, shrinkage, learningRate, adapt, name, update, proximal } = algorithm;
  checkHasLoss(model);
  const fast = selectTensors(model, adapt === 'all' ? 'all' : resolveLast(adapt, model, name), `${name}.adapt`);
  // Tasks do not adapt the parameters that an algorithm added.
  extension?.tensors.forEach((extra) => (fast[numberOf(model, extra.name)] = 0));
  const own = extension?.native?.(model, (tensor) => numberOf(model, tensor));
  return {
    steps,
    order,
    solver: algorithm.solver,
    fast,
    shrinkage,
    rateKind: 'scalar',
    rate: learningRate,
    update,
    proximal,
    ...algorithm.native,
    ...own,
  };
}

/** The inner loop as training runs it in an epoch, from 1. @internal */
export function innerLoopOfEpoch(algorithm: Algorithm, model: Model, epoch: number): Partial<NativeInnerLoop> {
  const { steps, order, multiStepEpochs = 0, firstOrderEpochs = 0 } = algorithm;
  // From 1/K for every step, linearly to the last step alone.
  const share = steps === 0 || epoch > multiStepEpochs ? 0 : (1 - (epoch - 1) / multiStepEpochs) / steps;
  return {
    order: epoch <= firstOrderEpochs ? 1 : order,
    ...(share > 0 && {
      lossWeights: model.floats(
        Array.from({ length: steps }, (_, k) => (k < steps - 1 ? share : 1 - (steps - 1) * share)),
      ),
    }),
  };
}

/** The tensors that an algorithm adapts in a model that it has not extended. @internal */
export function adaptedTensors({ adapt, name }: Algorithm, model: Model): TensorSpec[] {
  const fast = selectTensors(model, adapt === 'all' ? 'all' : resolveLast(adapt, model, name), `${name}.adapt`);
  return model.tensors.filter((_, t) => fast[t] === 1);
}

function numberOf(model: Model, name: string): number {
  return model.tensors.findIndex((tensor) => tensor.name === name);
}

/** `@last` stands for the linear layer that writes the outputs, whatever its name. */
export const LAST_LAYER = '@last';
/** `@dense` stands for all parameters but the embedding tables: the decision layers of MeLU. */
export const DENSE_LAYERS = '@dense';

function resolveLast(names: readonly string[], model: Model, algorithm: string): string[] {
  return names.flatMap((name) => {
    if (name === DENSE_LAYERS) return model.tensors.filter(({ embedding }) => !embedding).map((tensor) => tensor.name);
    if (name !== LAST_LAYER) return name;
    const { weight, bias } = lastLayer(model, algorithm);
    return [weight, bias];
  });
}

/** @throws {InnerloopError} INVALID_OPTION for a body without a linear last layer @internal */
export function lastLayer({ head, spec }: Model, algorithm: string): LinearLayer {
  if (head === undefined)
    throw invalid('model.body.kind', `has no linear last layer, which ${algorithm} adapts`, spec.body.kind, 'mlp, say');
  return head;
}
