/** Interprets the names of the parts of a prescribed split. */
import type { CategoricalColumn } from '../foundation/contract.js';
import { InnerloopError, show } from '../foundation/errors.js';

export type SetName = 'train' | 'validation' | 'test';
export type Role = 'support' | 'query';
export interface Part {
  /** The set of tasks that its rows are in; undefined if the column names only support and query. */
  set: SetName | undefined;
  /** Whether its rows are support or query rows of their tasks; undefined if the column names only sets. */
  role: Role | undefined;
}

const SETS: Readonly<Record<SetName, RegExp>> = {
  train: /^(train|training|tr|learn)$/,
  validation: /^(validation|valid|val|dev|development)$/,
  test: /^(test|testing|te|eval|evaluation|holdout)$/,
};
const ROLES: Readonly<Record<Role, RegExp>> = { support: /^(support|context|known)$/, query: /^(query|target|asked)$/ };

function partOf(name: string): Part | undefined {
  const part: Part = { set: undefined, role: undefined };
  for (const word of name.toLowerCase().split(/[\s_./:-]+/)) {
    const set = (Object.keys(SETS) as SetName[]).find((each) => SETS[each].test(word));
    const role = (Object.keys(ROLES) as Role[]).find((each) => ROLES[each].test(word));
    if (set !== undefined && part.set === undefined) part.set = set;
    else if (role !== undefined && part.role === undefined) part.role = role;
    else return undefined;
  }
  return part;
}

/**
 * The part that each id of a column of parts stands for; id 0 stands for no part.
 * @throws {InnerloopError} INVALID_DATA for unknown names, and if only some of the names state a set, or only some a role
 */
export function partsOf({ vocabulary }: Pick<CategoricalColumn, 'vocabulary'>): Part[] {
  const names = vocabulary.values.slice(1);
  const expected =
    'train, validation and test; or support and query; or both, such as train-support (validation: also valid, val, dev)';
  const fail = (what: string) =>
    new InnerloopError('INVALID_DATA', what, { field: 'interactions.part', value: names, expected });
  const parts = names.map((name) => {
    const part = partOf(name);
    if (part === undefined) throw fail(`the part ${show(name)} has no known name`);
    return part;
  });
  for (const key of ['set', 'role'] as const) {
    const without = parts.findIndex((part) => part[key] === undefined);
    const having = parts.findIndex((part) => part[key] !== undefined);
    if (without >= 0 && having >= 0)
      throw fail(
        `the part ${show(names[having])} says ${key === 'set' ? 'whether it is trained on' : 'what is known and what is asked'}, ${show(names[without])} does not`,
      );
  }
  return [{ set: undefined, role: undefined }, ...parts];
}
