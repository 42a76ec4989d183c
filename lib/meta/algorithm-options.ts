/** The options of the algorithms, those that several share; each algorithm has the others beside its factory. */
import type { OptionTable } from '../foundation/options.js';

/** How much of a moving mean stays from step to step. @internal */
export const decay = (standard: number) =>
  ({
    kind: 'number',
    min: 0,
    fraction: true,
    default: standard,
    doc: 'Share of the past that each step keeps.',
  }) as const;

/** Options of Adam, as an inner rule and as an outer optimizer (Kingma & Ba 2015). @internal */
export const ADAM = {
  beta1: decay(0.9),
  beta2: decay(0.999),
  epsilon: { kind: 'number', above: 0, default: 1e-8, doc: 'Added to the root of the second moment.' },
} as const satisfies OptionTable;

const CLIPPED = {
  clipNorm: {
    kind: 'number',
    above: 0,
    defaultDoc: 'no clipping',
    doc: 'A longer gradient, over all that a task adapts, is scaled down to this norm; the scaling is differentiated too.',
  },
} as const satisfies OptionTable;

/** Options of the rules of an inner step; `InnerRule` has the formulas. */
export const INNER_RULES = {
  sgd: { ...CLIPPED },
  momentum: { momentum: decay(0.9), ...CLIPPED },
  adam: { ...ADAM, ...CLIPPED },
} as const satisfies Record<string, OptionTable>;

/** Options of all algorithms that take gradient steps. */
export const GRADIENT_OPTIONS = {
  steps: { kind: 'integer', min: 0, max: 10000, default: 5, search: { of: [1, 3, 5, 8] }, doc: 'Inner steps K.' },
  learningRate: {
    kind: 'number',
    above: 0,
    default: 0.01,
    search: { log: [0.01, 0.5] },
    doc: 'Inner rate α, the initial one where rates are learned.',
  },
  adapt: {
    kind: 'any',
    of: [
      { kind: 'choice', of: ['all'] },
      { kind: 'list', of: { kind: 'text' }, what: 'parameter names' },
    ],
    what: "'all' or an array of parameter names",
    default: 'all',
    doc: 'Names of the parameters that adapt, * at the end matching any rest; `@last` is the last layer, `@dense` all but the embeddings.',
  },
  rates: {
    kind: 'choice',
    of: ['fixed', 'perParameter', 'perStep'],
    default: 'fixed',
    search: { of: ['fixed', 'perStep'] },
    doc: 'Whether the inner rates are learned: one per parameter (Meta-SGD), or one per tensor and step (MAML++).',
  },
  shrinkage: {
    kind: 'number',
    min: 0,
    default: 0,
    search: { of: [0, 5, 15, 40] },
    doc: 'Added to the support count, L_S = Σ loss / (n + shrinkage), so that tasks with few rows move less.',
  },
  inner: {
    kind: 'any',
    of: [
      { kind: 'choice', of: ['sgd', 'momentum', 'adam'] },
      { kind: 'variant', of: INNER_RULES },
    ],
    what: 'one of sgd, momentum, adam, or an object with one of these as its kind',
    default: 'sgd',
    doc: 'What a step follows: the gradient, heavy-ball momentum or Adam, each differentiated exactly.',
  },
  proximal: {
    kind: 'number',
    min: 0,
    default: 0,
    doc: 'Adds so much / 2 · ‖θ − θ_0‖² to the support loss, so that a task stays near the shared parameters.',
  },
} as const satisfies OptionTable;
type GradientOption = keyof typeof GRADIENT_OPTIONS;

/** The gradient options but for some. @internal */
export function gradientOptionsWithout<N extends GradientOption>(...names: N[]): Omit<typeof GRADIENT_OPTIONS, N> {
  const kept = Object.entries(GRADIENT_OPTIONS).filter(([name]) => !names.includes(name as N));
  return Object.fromEntries(kept) as Omit<typeof GRADIENT_OPTIONS, N>;
}

export const ORDER = {
  kind: 'choice',
  of: [1, 2],
  what: '1 (first-order) or 2 (exact)',
  default: 2,
  doc: '2 is the exact meta-gradient, 1 holds the inner gradients constant.',
} as const;

const annealing = <const D extends string>(doc: D) =>
  ({
    kind: 'object',
    fields: { epochs: { kind: 'integer', min: 0, required: true, doc: 'Epochs that the schedule takes.' } },
    doc,
  }) as const;

/** Schedules over the first epochs of training (Antoniou et al. 2019, section 4). @internal */
export const SCHEDULES = {
  multiStepLoss: annealing(
    'The meta-loss Σ_k w_k L_Q(θ_k) begins with equal weights of all steps and becomes that of the last one, linearly over so many epochs. The losses that training reports are these sums.',
  ),
  orderAnnealing: annealing('So many epochs of first order before those of the order.'),
} as const satisfies OptionTable;

/** The conjugate gradients of an implicit meta-gradient. */
export const IMPLICIT_OPTIONS = {
  cgSteps: {
    kind: 'integer',
    min: 1,
    max: 10000,
    default: 5,
    doc: 'Most conjugate-gradient steps, each one Hessian-vector product.',
  },
  cgTolerance: { kind: 'number', min: 0, default: 1e-6, doc: 'Ends them at a residual of this share of ‖∇L_Q‖.' },
  cgDamping: {
    kind: 'number',
    min: 0,
    default: 0,
    doc: 'Damping: δ of (I + H/λ + δ I) x = ∇L_Q, which is then positive definite where H is less so; the gradient shrinks with it.',
  },
} as const satisfies OptionTable;

/** An option that names inputs of the model. @internal */
export const INPUT_NAMES = { kind: 'list', of: { kind: 'text' }, what: 'names of inputs', least: 1 } as const;

/** An option for the units of a network that an algorithm adds. @internal */
export const units = <const D extends number>(standard: D, doc = 'Hidden units.', max = 65536) =>
  ({ kind: 'integer', min: 1, max, default: standard, search: { of: [8, 16, 32] }, doc }) as const;
