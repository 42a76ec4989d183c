import { SOLVERS } from '../foundation/addon.js';
import type { NativeInnerLoop, NativeUpdate } from '../foundation/addon.js';
import { checkHasLoss } from '../batch/batch.js';
import { checkInteger, checkNumber, checkObject, checkOneOf, checkString, invalid } from '../foundation/check.js';
import type { InnerRule } from '../foundation/contract.js';
import { selectTensors } from './inner-loop.js';
import { resolveRule } from './inner-rule.js';
import type { ExtraTensor, Model } from '../model/model.js';
import type { LinearLayer, TensorSpec } from '../model/layer-program.js';

/** `fixed`, or learned with the parameters: one rate per parameter (Meta-SGD), or one per tensor and step (MAML++). */
export type RateKind = 'fixed' | 'perParameter' | 'perStep';

export interface GradientOptions {
  /** Inner steps K. Default 5. */
  steps?: number;
  /** Inner rate α, the initial one where rates are learned. Default 0.01. */
  learningRate?: number;
  /** Names of the adapted parameters, `*` at the end matching any rest, or `all`. The default depends on the algorithm. */
  adapt?: 'all' | string[];
  /** Whether the inner rates are learned. Default `fixed`. */
  rates?: RateKind;
  /** L_S = Σ loss / (n + shrinkage): tasks with few support rows move less. Default 0. */
  shrinkage?: number;
  /** What a step follows: the gradient, heavy-ball momentum or Adam, each differentiated exactly. Default `sgd`. */
  inner?: InnerRule;
  /** λ ≥ 0: adds λ/2 ‖θ − θ_0‖² to L_S, so that a task stays near the shared parameters. Default 0. */
  proximal?: number;
}

/** A schedule over the first epochs of training. */
export interface Annealing {
  epochs: number;
}

/** How a learner adapts to a task and how its parameters are meta-learned; made by a factory of algorithms/. */
export interface Algorithm {
  readonly name: string;
  /** What the factory was given: plain data, so that a saved learner can be made again. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly steps: number;
  readonly learningRate: number;
  readonly adapt: 'all' | readonly string[];
  readonly order: 1 | 2;
  readonly rates: RateKind;
  readonly shrinkage: number;
  /** What the outer step follows. Reptile's inner loop runs over all rows of a training task, query rows included. */
  readonly direction: 'meta-gradient' | 'reptile' | 'joint';
  /** `gradient` steps, or the last layer in closed form: `ridge`. */
  readonly solver: keyof typeof SOLVERS;
  /** What a step follows; undefined: the gradient. */
  readonly update?: NativeUpdate;
  readonly proximal?: number;
  /** Epochs over which the meta-loss goes from the mean over all steps to the last step alone. */
  readonly multiStepEpochs?: number;
  /** Epochs at the beginning that are of first order. */
  readonly firstOrderEpochs?: number;
  /** What else the native inner loop needs. */
  readonly native?: Partial<NativeInnerLoop>;
  /** What the algorithm adds to a model. */
  readonly extend?: (this: Algorithm, model: Model) => Extension;
}

/** Parameters of an algorithm's own, learned, saved and resumed as all others, and what the native core does with them. */
export interface Extension {
  readonly tensors: readonly ExtraTensor[];
  /** Joins the native inner loop. @param model the extended model @param tensor number of a parameter by name */
  readonly native?: (model: Model, tensor: (name: string) => number) => Partial<NativeInnerLoop>;
}

const DEFAULT_STEPS = 5;
const DEFAULT_LEARNING_RATE = 0.01;

/** Options of all gradient-based algorithms. @internal */
export const GRADIENT_OPTIONS = [
  'steps',
  'learningRate',
  'adapt',
  'rates',
  'shrinkage',
  'inner',
  'proximal',
] as const satisfies (keyof GradientOptions)[];

/** What an algorithm is beside its options. */
type Fixed = Pick<Algorithm, 'order' | 'direction' | 'solver'> &
  Partial<Pick<Algorithm, 'multiStepEpochs' | 'firstOrderEpochs' | 'native' | 'extend'>>;

/** Checks the options that all gradient-based algorithms share. @param given all options, where there are others @internal */
export function gradientAlgorithm(
  name: string,
  options: GradientOptions,
  fixed: Fixed,
  defaultAdapt: 'all' | readonly string[] = 'all',
  given: object = options,
): Algorithm {
  checkObject(options, name, GRADIENT_OPTIONS);
  const {
    steps = DEFAULT_STEPS,
    learningRate = DEFAULT_LEARNING_RATE,
    adapt = defaultAdapt,
    rates = 'fixed',
    shrinkage = 0,
    proximal = 0,
  } = options;
  checkInteger(steps, `${name}.steps`, 0, 10000);
  checkNumber(learningRate, `${name}.learningRate`, 0, undefined, true);
  checkOneOf(rates, `${name}.rates`, ['fixed', 'perParameter', 'perStep']);
  checkNumber(shrinkage, `${name}.shrinkage`, 0);
  checkNumber(proximal, `${name}.proximal`, 0);
  const update = resolveRule(options.inner, `${name}.inner`);
  if (adapt !== 'all') {
    if (!Array.isArray(adapt))
      throw invalid(`${name}.adapt`, 'not a selection', adapt, "'all' or an array of parameter names");
    adapt.forEach((pattern, i) => checkString(pattern, `${name}.adapt[${i}]`));
  }
  if (fixed.direction !== 'meta-gradient' && rates !== 'fixed') {
    throw invalid(`${name}.rates`, `${name} has no gradient of its rates`, rates, 'fixed');
  }
  return {
    name,
    options: structuredClone(given) as Record<string, unknown>,
    steps,
    learningRate,
    adapt,
    rates,
    shrinkage,
    update,
    proximal,
    ...fixed,
  };
}

/** Epochs of a schedule; undefined: none. @internal */
export function checkAnnealing(value: unknown, field: string): number | undefined {
  if (value === undefined) return undefined;
  checkObject(value, field, ['epochs']);
  checkInteger(value['epochs'], `${field}.epochs`, 0);
  return value['epochs'];
}

/** The inner loop of an algorithm on the model that it extended, apart from learned rates. @internal */
export function innerLoopOf(algorithm: Algorithm, model: Model, extension: Extension | undefined): NativeInnerLoop {
  const { steps, order, shrinkage, learningRate, adapt, name, update, proximal } = algorithm;
  checkHasLoss(model);
  const fast = selectTensors(model, adapt === 'all' ? 'all' : resolveLast(adapt, model, name), `${name}.adapt`);
  // What an algorithm learns for itself is not a task's to adapt.
  extension?.tensors.forEach((extra) => (fast[numberOf(model, extra.name)] = 0));
  const own = extension?.native?.(model, (tensor) => numberOf(model, tensor));
  return {
    steps,
    order,
    solver: SOLVERS[algorithm.solver],
    fast,
    shrinkage,
    rateKind: 0,
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
