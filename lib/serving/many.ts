/** Many users in one call of the core. */
import { checkNotAborted } from '../foundation/abort.js';
import { runNative } from '../foundation/addon.js';
import { checkArray, checkObject, checkSignal, invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import { renaming } from '../foundation/errors.js';
import { preparedNoAdaptation } from '../meta/inner-loop.js';
import type { Learner } from '../learner/learner.js';
import { adaptPlain, predictPlain } from './many-plain.js';
import { checkRecommend } from './options.js';
import type { RecommendOptions } from './options.js';
import { joinTasks, ownInputs } from './packed-rows.js';
import type { PackedRows } from './packed-rows.js';
import { PersonalModel } from './personal-model.js';
import { adaptedOf, copyOfSupport, packing, selectionOf } from './person.js';
import type { Person } from './person.js';
import { recommendTo } from './ranking.js';
import type { Recommendation } from './ranking.js';
import { scoresOfOutputs } from './score-rows.js';
import { divergedBy } from './labels.js';
import { contextOf, itemRows, packRows, packSupport } from './support.js';
import type { GivenContext, PackedSupport, Support } from './support.js';

/** A user to be served: by a support set, or adapted before. */
export type Served = Support | PersonalModel;

/** Users of one call of the core: enough to fill the threads, few enough to stay small in memory. */
const USERS = 256;
/** Calls of one learner that are packed or at work at a time: one computes while the next is packed. */
const CALLS = 2;

/** @internal The learner must be that of all personal models. */
export async function adaptMany(
  learner: Learner,
  supports: readonly Support[],
  options: { signal?: AbortSignal },
): Promise<PersonalModel[]> {
  const untypedSupports: unknown = supports;
  checkArray(untypedSupports, 'supports', 'support sets');
  checkObject(options, 'options', ['signal']);
  checkSignal(options.signal, 'options.signal');
  const catalog = learner.servedCatalog();
  return inChunks(learner, supports, options.signal, async (chunk, first) => {
    const plain = adaptPlain(learner, catalog, chunk, options.signal, (u) => `supports[${first + u}]`);
    if (plain !== undefined) return (await plain).map((person) => new PersonalModel(person));
    const { version } = learner;
    const packed = chunk.map((support, u) =>
      naming(`supports[${first + u}]`, () => packSupport(learner, catalog, support)),
    );
    const own = chunk.map(copyOfSupport);
    const adapted = await together(
      learner,
      packed.map((each) => [each.packed]),
      async (rows, users) => {
        const call = { ...learner.call(rows), ...packing(learner) };
        const name = (task: number) => divergedBy(learner, own[users[task]].labels, `supports[${first + users[task]}]`);
        return runNative(options.signal, (token) => learner.model.ops.adapt({ ...call, token }), name);
      },
    );
    return own.map((support, u) => {
      const { packed: _, ...known } = packed[u];
      return new PersonalModel({
        learner,
        catalog,
        version,
        support,
        known,
        adapted: adapted[u],
      });
    });
  });
}

/** @internal */
export async function predictMany(
  learner: Learner,
  users: readonly Served[],
  items: readonly (string | number)[] | readonly (readonly (string | number)[])[],
  options: { context?: GivenContext; signal?: AbortSignal },
): Promise<Float64Array[]> {
  const untypedUsers: unknown = users;
  checkArray(untypedUsers, 'users', 'support sets or personal models');
  const untypedItems: unknown = items;
  checkArray(untypedItems, 'items', 'item ids, or of lists of them');
  checkObject(options, 'options', ['context', 'signal']);
  const { signal, context: given } = options;
  checkSignal(signal, 'options.signal');
  const catalog = learner.servedCatalog();
  const isEach = users.length > 0 && items.length > 0 && items.every((list) => Array.isArray(list));
  if (isEach && items.length !== users.length)
    throw invalid('items', 'not one list a user', items, `${users.length} lists, or one list of ids for all`);
  // Those that wait for their turn are served as they are now, whatever is disposed of meanwhile.
  const held =
    users.length <= USERS
      ? users
      : users.map((user) => (user instanceof PersonalModel ? PersonalModel.held(user) : user));
  const shared = isEach ? undefined : itemRows(catalog, items as readonly string[], 'items');
  return inChunks(learner, held, signal, async (chunk, first) => {
    const alike = given === undefined && allAlike(learner, chunk, first);
    const each = (u: number) => (isEach ? (items[first + u] as readonly string[]) : (items as readonly string[]));
    const plain = alike && predictPlain(learner, catalog, alike, each, signal, (u) => `users[${first + u}]`);
    if (plain) return plain;
    const requests = chunk.map((user, u) => {
      const rows = shared ?? itemRows(catalog, items[first + u] as readonly string[], `items[${first + u}]`);
      const context = contextOf(learner, catalog, given, rows.length, 'options.context');
      return { ...known(learner, catalog, user, `users[${first + u}]`), rows, context };
    });
    const scores = Array.from<Float64Array>({ length: chunk.length });
    // Those that adapt and those that have adapted are calls of their own.
    for (const isAdapted of [false, true]) {
      const own = [...requests.keys()].filter((u) => (requests[u].person !== undefined) === isAdapted);
      const packed = own.map((u) => {
        const { support, person, rows, context } = requests[u];
        const query = packRows(
          learner,
          catalog,
          person?.known ?? support!,
          rows,
          Int32Array.of(0, 0, rows.length),
          context,
        );
        return support === undefined ? [query] : [support.packed, query];
      });
      await together(learner, packed, async (rows, positions) => {
        const people = positions.map((k) => requests[own[k]]);
        const outputs = await runNative(
          signal,
          (token) =>
            learner.model.ops.predict({
              ...learner.call(rows),
              ...(isAdapted && {
                inner: preparedNoAdaptation(learner.model),
                adapted: people.map(({ person }) => adaptedOf(person!)),
                selection: selectionOf(learner),
              }),
              token,
              before: isAdapted,
              after: !isAdapted,
              variance: learner.isModerated,
            }),
          (task) => {
            const u = own[positions[task]];
            const user = chunk[u];
            return divergedBy(learner, user instanceof PersonalModel ? [] : user.labels, `users[${first + u}]`);
          },
        );
        const width = learner.model.outputs;
        const all = (outputs.before ?? outputs.after)!;
        let at = 0;
        people.forEach(({ rows: { length }, rows: asked, person, support }, k) => {
          const part = all.subarray(at * width, (at + length) * width);
          const variance = outputs.variance?.subarray(at, at + length);
          scores[own[positions[k]]] = scoresOfOutputs(learner, catalog, person?.known ?? support!, asked, {
            after: part,
            variance,
          });
          if (person !== undefined) adaptedOf(person);
          at += length;
        });
        return people;
      });
    }
    return scores;
  });
}

/** @internal */
export async function recommendMany(
  learner: Learner,
  users: readonly Served[],
  options: RecommendOptions,
): Promise<Recommendation[][]> {
  const untypedUsers: unknown = users;
  checkArray(untypedUsers, 'users', 'support sets or personal models');
  const settings = checkRecommend(options);
  const { signal } = settings;
  const supports = users.filter((user): user is Support => !(user instanceof PersonalModel));
  // Now, whatever is disposed of while the others adapt.
  const known = users.map((user, u) =>
    user instanceof PersonalModel ? personOf(learner, user, `users[${u}]`) : undefined,
  );
  const adapted = (await adaptMany(learner, supports, { signal })).values();
  const people = known.map((person) => person ?? PersonalModel.personOf(adapted.next().value as PersonalModel));
  return inChunks(learner, people, signal, (chunk) => recommendTo(chunk, settings));
}

/** Users who are all support sets, or all adapted before; undefined where they are of both kinds. */
function allAlike(learner: Learner, users: readonly Served[], first: number) {
  const models = users.filter((user): user is PersonalModel => user instanceof PersonalModel);
  if (models.length === 0) return { supports: users as readonly Support[] };
  if (models.length < users.length) return undefined;
  return { people: models.map((user, u) => personOf(learner, user, `users[${first + u}]`)) };
}

function personOf(learner: Learner, me: PersonalModel, field: string): Person {
  const person = PersonalModel.personOf(me);
  if (person.learner !== learner)
    throw invalid(field, 'was adapted by another learner', me, 'a personal model of this one');
  adaptedOf(person);
  return person;
}

function known(
  learner: Learner,
  catalog: Dataset,
  user: Served,
  field: string,
): { person: Person; support: undefined } | { person: undefined; support: PackedSupport } {
  if (user instanceof PersonalModel) return { person: personOf(learner, user, field), support: undefined };
  return { person: undefined, support: naming(field, () => packSupport(learner, catalog, user)) };
}

/** Errors of a support set say whose it is. */
const naming = <X>(field: string, pack: () => X): X =>
  renaming(pack, (own) => own?.replace(/^support/, field) ?? field);

/**
 * Calls the core once for all rows that can be joined: nearly always for all.
 * @param packed of each task its rows, or its support rows and then its query rows
 * @param call positions: of the tasks, among those given
 */
async function together<X>(
  learner: Learner,
  packed: readonly (readonly PackedRows[])[],
  call: (rows: PackedRows, positions: readonly number[]) => Promise<X[]>,
): Promise<X[]> {
  const groups = new Map<string, number[]>();
  packed.forEach((parts, u) => {
    const key = parts.map(({ rows }) => ownInputs(rows)).join();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [u]);
    else group.push(u);
  });
  const results = Array.from<X>({ length: packed.length });
  for (const positions of groups.values()) {
    const parts = positions.flatMap((u) => packed[u]);
    const rows = joinTasks(
      parts.map((part) => part.rows),
      learner.model.spec.inputs,
      packed[positions[0]].length === 2,
    );
    const values = await call({ frame: parts[0].frame, rows }, positions);
    positions.forEach((u, k) => (results[u] = values[k]));
  }
  return results;
}

const queues = new WeakMap<Learner, { running: number; waiting: (() => void)[] }>();

/** Users in chunks, each of which waits for its turn among all calls of the learner before anything of it is packed. */
async function inChunks<U, X>(
  learner: Learner,
  users: readonly U[],
  signal: AbortSignal | undefined,
  work: (chunk: readonly U[], first: number) => Promise<X[]>,
): Promise<X[]> {
  let queue = queues.get(learner);
  if (queue === undefined) queues.set(learner, (queue = { running: 0, waiting: [] }));
  const { waiting } = queue;
  const over = () => {
    const next = waiting.shift();
    if (next === undefined) queue.running--;
    else next();
  };
  let failed = false;
  const chunks = Array.from({ length: Math.ceil(users.length / USERS) }, async (_, c): Promise<X[]> => {
    // Where nobody is before it, a chunk is read at once, whatever the caller does with its lists afterwards.
    if (queue.running < CALLS) queue.running++;
    else await new Promise<void>((go) => waiting.push(go));
    try {
      if (failed) return [];
      checkNotAborted(signal);
      return await work(users.slice(c * USERS, (c + 1) * USERS), c * USERS);
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      over();
    }
  });
  const results = await Promise.allSettled(chunks);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return results.flatMap((result) => (result as PromiseFulfilledResult<X[]>).value);
}
