import type { NativeInnerLoop } from './addon.js';
import { checkInteger, checkNumber, checkObject, checkOneOf, checkString, invalid } from './check.js';
import { selectTensors } from './inner-loop.js';
import type { Model } from './model.js';

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
}

/** How a learner adapts to a task and how its parameters are meta-learned: plain data, made by a factory of algorithms/. */
export interface Algorithm {
  readonly name: string;
  readonly steps: number;
  readonly learningRate: number;
  readonly adapt: 'all' | readonly string[];
  readonly order: 1 | 2;
  readonly rates: RateKind;
  readonly shrinkage: number;
  /** What the outer step follows. Reptile's inner loop runs over all rows of a training task, query rows included. */
  readonly direction: 'meta-gradient' | 'reptile';
  /** `gradient` steps, or the last layer in closed form: `ridge`. */
  readonly solver: 'gradient' | 'ridge';
}

const DEFAULT_STEPS = 5;
const DEFAULT_LEARNING_RATE = 0.01;

/** Checks the options that all gradient-based algorithms share. @internal */
export function gradientAlgorithm(
  name: string,
  options: GradientOptions,
  fixed: Pick<Algorithm, 'order' | 'direction' | 'solver'>,
  defaultAdapt: 'all' | readonly string[] = 'all',
): Algorithm {
  checkObject(options as unknown, name, ['steps', 'learningRate', 'adapt', 'rates', 'shrinkage']);
  const { steps = DEFAULT_STEPS, learningRate = DEFAULT_LEARNING_RATE, adapt = defaultAdapt, rates = 'fixed', shrinkage = 0 } = options;
  checkInteger(steps, `${name}.steps`, 0, 10000);
  checkNumber(learningRate, `${name}.learningRate`, 0, undefined, true);
  checkOneOf(rates, `${name}.rates`, ['fixed', 'perParameter', 'perStep']);
  checkNumber(shrinkage, `${name}.shrinkage`, 0);
  if (adapt !== 'all') {
    if (!Array.isArray(adapt)) throw invalid(`${name}.adapt`, 'not a selection', adapt, "'all' or an array of parameter names");
    adapt.forEach((pattern, i) => checkString(pattern, `${name}.adapt[${i}]`));
  }
  if (fixed.direction === 'reptile' && rates !== 'fixed') {
    throw invalid(`${name}.rates`, 'Reptile has no gradient of its rates', rates, 'fixed');
  }
  return { name, steps, learningRate, adapt, rates, shrinkage, ...fixed };
}

/** The inner loop of an algorithm on a model, apart from learned rates. @internal */
export function innerLoopOf(algorithm: Algorithm, model: Model): NativeInnerLoop {
  const { steps, order, shrinkage, learningRate } = algorithm;
  const solver = algorithm.solver === 'ridge' ? 1 : 0;
  if (solver === 1 && !model.tensors.some(({ name }) => name === PRIOR)) {
    throw invalid('model.head.prior', 'missing', undefined, "'gaussian', which the algorithm ridge learns");
  }
  const fast = selectTensors(model, algorithm.adapt === 'all' ? 'all' : resolveLast(algorithm.adapt, model), `${algorithm.name}.adapt`);
  return { steps, order, solver, fast, shrinkage, rateKind: 0, rate: learningRate };
}

const PRIOR = 'prior.logPrecision';

/** `@last` stands for the last layer of the network, whatever its number. */
export const LAST_LAYER = '@last';

function resolveLast(names: readonly string[], model: Model): string[] {
  const layers = model.tensors.filter(({ name }) => name.startsWith('mlp.'));
  const last = layers[layers.length - 1]!.name.replace(/\.[^.]*$/, '.*');
  return names.map((name) => (name === LAST_LAYER ? last : name));
}
