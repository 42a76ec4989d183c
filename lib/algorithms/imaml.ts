import type { OptionTable } from '../foundation/options.js';
import { algorithmFactory, gradientForm, SECOND_ORDER } from '../meta/algorithm.js';
import { gradientOptionsWithout, IMPLICIT_OPTIONS } from '../meta/algorithm-options.js';

const OPTIONS = {
  ...gradientOptionsWithout('rates', 'proximal'),
  lambda: {
    kind: 'number',
    above: 0,
    default: 1,
    search: { log: [0.1, 10] },
    doc: 'λ of the proximal term λ/2 ‖θ − θ_0‖².',
  },
  ...IMPLICIT_OPTIONS,
} as const satisfies OptionTable;

/**
 * Implicit MAML (Rajeswaran, Finn, Kakade & Levine 2019): a task minimises L_S(θ) + λ/2 ‖θ − θ_0‖² by K steps, and the outer
 * step follows (I + H/λ)⁻¹ ∇L_Q, H the Hessian of L_S at θ_K, by conjugate gradients. Memory and time of the derivative do not
 * grow with K. It is the gradient of the meta-loss only where θ_K is that minimum and the system is solved: take many steps, or
 * `inner: 'adam'`, and `cgSteps` enough. Where L_S is so concave that I + H/λ is not positive definite, the conjugate gradients
 * end early, at worst with ∇L_Q itself; `cgDamping` δ > 0 solves (I + H/λ + δ I) x = ∇L_Q there, as the authors' code does.
 *
 * ```ts
 * const algorithm = imaml({ steps: 20, learningRate: 0.1, lambda: 0.5 });
 * ```
 */
export const imaml = algorithmFactory('imaml', OPTIONS, ({ lambda, cgSteps, cgTolerance, cgDamping, ...options }) => ({
  ...gradientForm({ ...options, proximal: lambda }, 'imaml'),
  ...SECOND_ORDER,
  solver: 'implicit',
  native: { cgSteps, cgTolerance, cgDamping },
}));
