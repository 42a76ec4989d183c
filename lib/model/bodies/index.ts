/** Every body by its kind: one file each. The contract suite runs over this list. */
import { checkObject } from '../../foundation/check.js';
import type { BodySpec, InputSpec } from '../../foundation/contract.js';
import { resolveOptions } from '../../foundation/options.js';
import type { OptionTable } from '../../foundation/options.js';
import type { Program, Slot } from '../layer-program.js';
import type { Body } from './body.js';
import { fm } from './fm.js';
import { gru } from './gru.js';
import { mf } from './mf.js';
import { mlp } from './mlp.js';
import { neumf } from './neumf.js';
import { twoTower } from './two-tower.js';

export const BODIES = { mlp, mf, fm, neumf, twoTower, gru } as const;
export const BODY_KINDS = Object.keys(BODIES) as BodySpec['kind'][];

/** A body whose options are not known to the compiler. */
interface AnyBody extends Pick<Body<OptionTable>, 'options' | 'oneOutput'> {
  check?(body: object, field: string, inputs: readonly InputSpec[]): void;
  build(program: Program, body: object, outputs: number): Slot;
}

/** @internal The body of a kind, for any specification of that kind. */
export function bodyOf(kind: BodySpec['kind']): AnyBody {
  return BODIES[kind];
}

/** @internal Checks a body apart from its kind. @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION */
export function checkBody(body: { kind: BodySpec['kind'] }, field: string, inputs: readonly InputSpec[]): void {
  const of = bodyOf(body.kind);
  checkObject(body, field, ['kind', ...Object.keys(of.options)]);
  const { kind: _, ...given } = body;
  resolveOptions(given, field, of.options);
  of.check?.(given, field, inputs);
}

/** @internal Writes the layers of a body that was checked. @returns the slot of the outputs */
export function buildBody(program: Program, body: BodySpec, outputs: number): Slot {
  const of = bodyOf(body.kind);
  const { kind: _, ...given } = body;
  return of.build(program, resolveOptions(given, 'model.body', of.options), outputs);
}
