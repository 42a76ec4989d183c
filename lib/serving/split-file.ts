/** The learner's split in a model file: its options as metadata, its members as tensors. */
import type { NamedArray } from '../files/safetensors.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Membership } from '../tasks/split.js';
import type { StoredSplit } from '../tasks/stored-split.js';

/** What is metadata of it; an infinite time is no JSON and is a text there. */
export interface SplitHeader {
  options: StoredSplit['options'];
  names: string[];
  cuts?: [string, string];
}

type Tensors = Record<string, NamedArray>;
const MEMBERS = ['users', 'items', 'keys'] as const;
const USERS = ['hash', 'rows', 'digest'] as const;

export function storedSplit({ options, membership, users }: StoredSplit, tensors: Tensors): SplitHeader {
  for (const name of MEMBERS) {
    const data = membership[name];
    if (data !== undefined) tensors[`split.${name}`] = { shape: [data.length], data };
  }
  for (const name of USERS) tensors[`split.users.${name}`] = { shape: [users[name].length], data: users[name] };
  const { names, cuts } = membership;
  return { options, names, ...(cuts && { cuts: [String(cuts[0]), String(cuts[1])] }) };
}

export function restoredSplit({ options, names, cuts }: SplitHeader, tensors: Tensors, field: string): StoredSplit {
  const read = <A extends NamedArray['data']>(name: string, type: new (n: number) => A): A | undefined => {
    const data = tensors[`split.${name}`]?.data;
    if (data === undefined || data instanceof type) return data;
    throw damaged(field);
  };
  const membership: Membership = { names };
  for (const name of MEMBERS) {
    const data = read(name, Uint8Array);
    if (data !== undefined) membership[name] = data;
  }
  if (cuts !== undefined) membership.cuts = [Number(cuts[0]), Number(cuts[1])];
  const [hash, rows, digest] = USERS.map((name) => read(`users.${name}`, Int32Array));
  if (hash === undefined || rows === undefined || digest === undefined) throw damaged(field);
  const fits = hash.length === 2 * rows.length && digest.length === rows.length && Array.isArray(names);
  if (!fits || (membership.users !== undefined && membership.users.length !== rows.length)) throw damaged(field);
  return { options, membership, users: { hash, rows, digest } };
}

const damaged = (field: string) =>
  new InnerloopError('MODEL_FILE', 'what it holds of the split is damaged', {
    field,
    expected: 'a file as it was saved',
  });
