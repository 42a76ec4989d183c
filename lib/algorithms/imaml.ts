import { checkNumber, checkObject } from '../foundation/check.js';
import { GRADIENT_OPTIONS, gradientAlgorithm } from '../meta/algorithm.js';
import type { Algorithm, GradientOptions } from '../meta/algorithm.js';
import type { ImplicitGradient } from '../foundation/contract.js';
import { resolveImplicit } from '../meta/inner-loop.js';

export interface ImamlOptions extends Omit<GradientOptions, 'rates' | 'proximal'>, ImplicitGradient {
  /** λ > 0 of the proximal term λ/2 ‖θ − θ_0‖². Default 1. */
  lambda?: number;
}

const LAMBDA = 1;

/**
 * Implicit MAML (Rajeswaran, Finn, Kakade & Levine 2019): a task minimises L_S(θ) + λ/2 ‖θ − θ_0‖² by K steps, and the outer
 * step follows (I + H/λ)⁻¹ ∇L_Q, H the Hessian of L_S at θ_K, by conjugate gradients. Memory and time of the derivative do not
 * grow with K. It is the gradient of the meta-loss only where θ_K is that minimum and the system is solved: take many steps, or
 * `inner: 'adam'`, and `cgSteps` enough. Where L_S is so concave that I + H/λ is not positive definite, the conjugate gradients
 * end early, at worst with ∇L_Q itself.
 *
 * ```ts
 * const algorithm = imaml({ steps: 20, learningRate: 0.1, lambda: 0.5 });
 * ```
 */
export function imaml(given: ImamlOptions = {}): Algorithm {
  const name = 'imaml';
  const own = GRADIENT_OPTIONS.filter((option) => option !== 'rates' && option !== 'proximal');
  checkObject(given, name, [...own, 'lambda', 'cgSteps', 'cgTolerance']);
  const { lambda = LAMBDA, cgSteps, cgTolerance, ...options } = given;
  checkNumber(lambda, `${name}.lambda`, 0, undefined, true);
  const { solver: _, ...native } = resolveImplicit({ cgSteps, cgTolerance }, name);
  return gradientAlgorithm(
    name,
    { ...options, proximal: lambda },
    { order: 2, direction: 'meta-gradient', solver: 'implicit', native },
    'all',
    given,
  );
}
