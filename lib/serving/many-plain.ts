/** Many users who bring nothing but items and labels: the same results as of any, with less to be made on the way. */
import { runNative } from '../foundation/addon.js';
import type { NativeOutputs } from '../foundation/addon.js';
import type { Dataset } from '../foundation/contract.js';
import type { Learner } from '../learner/learner.js';
import { moderate } from '../learner/uncertainty.js';
import { preparedNoAdaptation } from '../meta/inner-loop.js';
import { scoresOf } from '../model/scores.js';
import { ManyRows } from './many-rows.js';
import type { PlainUser } from './many-rows.js';
import { adaptedOf, copyOfSupport, packing, selectionOf } from './person.js';
import type { Person } from './person.js';
import type { Support } from './support.js';

type Ids = readonly (string | number)[];

/** @internal Reads the supports at once. @returns undefined where any tells more, or anything is wrong: nothing has been done then */
export function adaptPlain(
  learner: Learner,
  catalog: Dataset,
  supports: readonly Support[],
  signal: AbortSignal | undefined,
  name: (u: number) => string,
): Promise<Person[]> | undefined {
  const rows = ManyRows.for(
    learner,
    catalog,
    supports.map((support) => support?.items),
  );
  if (rows === undefined) return undefined;
  const users: PlainUser[] = [];
  for (const support of supports) {
    const user = rows.support(support);
    if (user === undefined) return undefined;
    rows.none();
    users.push(user);
  }
  const { version } = learner;
  // Now, whatever the caller does with its lists while this waits.
  const own = supports.map(copyOfSupport);
  const call = { ...learner.call(rows.packed()), ...packing(learner) };
  const adapting = runNative(signal, (token) => learner.model.ops.adapt({ ...call, token }), name);
  return adapting.then((adapted) =>
    users.map((user, u) => ({
      learner,
      catalog,
      version,
      support: own[u],
      known: {
        ...rows.ofUser(user),
        user: user.user,
        bias: user.bias,
        unknown: { items: user.unknownItems ?? [], user: user.unknownUser },
        features: undefined,
        context: undefined,
      },
      adapted: adapted[u],
    })),
  );
}

/** @internal Scores of items by support sets or by personal models, all of one kind. @returns undefined as above */
export function predictPlain(
  learner: Learner,
  catalog: Dataset,
  users: { people: readonly Person[] } | { supports: readonly Support[] },
  items: (u: number) => Ids,
  signal: AbortSignal | undefined,
  name: (u: number) => string,
): Promise<Float64Array[]> | undefined {
  const people = 'people' in users ? users.people : undefined;
  const supports = 'supports' in users ? users.supports : [];
  const count = people?.length ?? supports.length;
  const lists: unknown[] = supports.map((support) => support?.items);
  for (let u = 0; u < count; u++) lists.push(items(u));
  const rows = ManyRows.for(learner, catalog, lists);
  if (rows === undefined) return undefined;
  const begins = new Int32Array(count);
  const lengths = new Int32Array(count);
  const biases = new Float64Array(count);
  for (let u = 0; u < count; u++) {
    const known = people === undefined ? rows.support(supports[u]) : people[u].known;
    if (known === undefined || ('features' in known && known.features !== undefined)) return undefined;
    if (people !== undefined) rows.none();
    begins[u] = rows.length;
    if (!rows.query(known.user, items(u))) return undefined;
    lengths[u] = rows.length - begins[u];
    biases[u] = known.bias;
  }
  const call = {
    ...learner.call(rows.packed()),
    ...(people !== undefined && {
      inner: preparedNoAdaptation(learner.model),
      adapted: people.map(adaptedOf),
      selection: selectionOf(learner),
    }),
    before: people !== undefined,
    after: people === undefined,
    variance: learner.isModerated,
  };
  const score = async (): Promise<Float64Array[]> => {
    const outputs = await runNative(signal, (token) => learner.model.ops.predict({ ...call, token }), name);
    people?.forEach(adaptedOf); // A step that began meanwhile may have moved the parameters under them.
    const scores = scoresOfAll(learner, outputs);
    let at = 0;
    return Array.from({ length: count }, (_, u) => {
      const from = at;
      at += lengths[u];
      rows.center(scores, from, begins[u], begins[u] + at - from, biases[u]);
      return scores.slice(from, at);
    });
  };
  return score();
}

function scoresOfAll(learner: Learner, { before, after, variance }: NativeOutputs): Float64Array {
  const { model, rowState } = learner;
  const scores = scoresOf(model.spec.head, model.mainOf((before ?? after)!), rowState.mean);
  if (learner.isModerated) moderate(scores, variance!);
  return scores;
}
