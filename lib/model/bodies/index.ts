/** Every body by its kind: one file each. The contract suite runs over this list. */
import type { BodySpec } from '../../foundation/contract.js';
import type { Body } from './body.js';
import { fm } from './fm.js';
import { gru } from './gru.js';
import { mf } from './mf.js';
import { mlp } from './mlp.js';
import { neumf } from './neumf.js';
import { twoTower } from './two-tower.js';

export const BODIES: { readonly [Kind in BodySpec['kind']]: Body<Extract<BodySpec, { kind: Kind }>> } = {
  mlp,
  mf,
  fm,
  neumf,
  twoTower,
  gru,
};
export const BODY_KINDS = Object.keys(BODIES) as BodySpec['kind'][];

/** @internal The body of a kind, for any specification of that kind. */
export function bodyOf(kind: BodySpec['kind']): Body<BodySpec> {
  return BODIES[kind];
}
