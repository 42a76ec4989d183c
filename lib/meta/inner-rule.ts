/** The rule of an inner step, which decides what it makes of the gradients so far. */
import type { NativeUpdate } from '../foundation/addon.js';
import { checkOption, resolveOptions } from '../foundation/options.js';
import type { ValueOf } from '../foundation/options.js';
import { GRADIENT_OPTIONS, INNER_RULES } from './algorithm-options.js';

/** Checks a rule and gives its native form; undefined for plain gradient steps. @internal */
export function resolveRule(rule: unknown, field: string): NativeUpdate | undefined {
  if (rule === undefined) return undefined;
  checkOption(rule, field, GRADIENT_OPTIONS.inner);
  const given = rule as ValueOf<typeof GRADIENT_OPTIONS.inner>;
  const { kind, ...options } = typeof given === 'string' ? { kind: given } : given;
  const none = { beta1: 0, beta2: 0, epsilon: 0 };
  if (kind === 'sgd') {
    const { clipNorm } = resolveOptions(options, field, INNER_RULES.sgd);
    return clipNorm === undefined ? undefined : { kind, ...none, clipNorm };
  }
  if (kind === 'momentum') {
    const { momentum, clipNorm } = resolveOptions(options, field, INNER_RULES.momentum);
    return { kind, ...none, beta1: momentum, clipNorm };
  }
  return { kind: 'adam', ...resolveOptions(options, field, INNER_RULES.adam) };
}
