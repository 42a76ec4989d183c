/** The rule of an inner step: what it makes of the gradients so far. */
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
  if (kind === 'sgd') return undefined;
  if (kind === 'momentum')
    return {
      kind: 'momentum',
      beta1: resolveOptions(options, field, INNER_RULES.momentum).momentum,
      beta2: 0,
      epsilon: 0,
    };
  return { kind: 'adam', ...resolveOptions(options, field, INNER_RULES.adam) };
}
