/** The rule of an inner step: what it makes of the gradients so far. */
import type { NativeUpdate } from '../foundation/addon.js';
import { checkNumber, checkObject, checkOneOf, invalid } from '../foundation/check.js';

const MOMENTUM = 0.9;
/** Kingma & Ba 2015, but for ε: see {@link InnerRule}. */
const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

const KINDS = ['sgd', 'momentum', 'adam'] as const;
const FIELDS = { sgd: [], momentum: ['momentum'], adam: ['beta1', 'beta2', 'epsilon'] } as const;

/** Checks a rule and gives its native form; undefined for plain gradient steps. @internal */
export function resolveRule(rule: unknown, field: string): NativeUpdate | undefined {
  if (rule === undefined || rule === 'sgd') return undefined;
  if (typeof rule === 'string') {
    checkOneOf(rule, field, KINDS);
    return resolveRule({ kind: rule }, field);
  }
  checkObject(rule, field, ['kind', ...FIELDS.momentum, ...FIELDS.adam]);
  const { kind } = rule;
  checkOneOf(kind, `${field}.kind`, KINDS);
  checkObject(rule, field, ['kind', ...FIELDS[kind]]);
  if (kind === 'sgd') return undefined;
  if (kind === 'momentum')
    return { kind: 1, beta1: decay(rule['momentum'] ?? MOMENTUM, `${field}.momentum`), beta2: 0, epsilon: 0 };
  const { beta1 = ADAM.beta1, beta2 = ADAM.beta2, epsilon = ADAM.epsilon } = rule;
  checkNumber(epsilon, `${field}.epsilon`, 0, undefined, true);
  return { kind: 2, beta1: decay(beta1, `${field}.beta1`), beta2: decay(beta2, `${field}.beta2`), epsilon };
}

function decay(value: unknown, field: string): number {
  checkNumber(value, field, 0);
  if (value >= 1) throw invalid(field, 'not below 1', value, 'a number ≥ 0 and < 1');
  return value;
}
