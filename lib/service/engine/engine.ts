/** A loaded model with its catalog, the items added to it, and the personal models it holds. A reload makes a new engine. */
import { createHash } from 'node:crypto';
import { preparedItems } from '../../learner/additions.js';
import '../../serving/adapt.js';
import type { FeatureValues } from '../../batch/given-features.js';
import { Ensemble, membersOf } from '../../learner/ensemble.js';
import type { Learner } from '../../learner/learner.js';
import { MIN_SUPPORT } from '../../serving/options.js';
import { loadPredictor } from '../../serving/ensemble-file.js';
import { PersonalEnsemble } from '../../serving/ensemble.js';
import type { PersonalModel } from '../../serving/personal-model.js';
import type { Support } from '../../serving/support.js';
import type { LoadOptions } from '../../serving/persist.js';
import { runManifest } from '../../learner/manifest.js';
import { invalid } from '../../foundation/check.js';
import type { RecordRules } from '../state/records.js';
import type { ItemRecord, State } from '../state/state.js';
import { Gate } from './gate.js';
import { bytesOfPerson, personOf } from './person.js';
import type { ServedPerson, Who } from './person.js';
import { People } from './people.js';
import { Popularity } from './popularity.js';
import { itemTables, readsContext, rulesOf } from './rules.js';

export interface EngineOptions extends Pick<LoadOptions, 'threads' | 'device'> {
  /** The most personal models that are held. */
  maxPeople: number;
  /** The most bytes that they may take. */
  maxBytes: number;
  /** How many of a person's latest interactions the model adapts to. */
  maxHistory: number;
  /** Feature of people whose value is the group in which popularity is counted. */
  segmentBy: string | undefined;
}

export class Engine {
  /** The model, or the first member of an ensemble, whose catalog and rules hold for all members. */
  readonly learner: Learner;
  /** The learner or ensemble that adapts to people. */
  readonly predictor: Learner | Ensemble;
  readonly state: State | undefined;
  readonly options: EngineOptions;
  readonly rules: RecordRules;
  readonly people: People<ServedPerson>;
  readonly popularity: Popularity;
  /** The name of the model in answers. */
  readonly name: string;
  /** What the operator should know of items of the state that the model cannot read. */
  unread: string | undefined;
  readonly gate = new Gate();
  /** Rows of the item catalog after training; items in later rows were added while serving. */
  readonly trainedRows: number;
  readonly #hidden = new Set<string>();
  readonly #owned = new Map<string, Set<string>>();
  readonly #ownerOf = new Map<string, string>();
  #leases = 0;
  /** The last change of the items: the next one begins when it is done. */
  #changing: Promise<unknown> = Promise.resolve();
  #retired: (() => void) | undefined;

  private constructor(predictor: Learner | Ensemble, name: string, state: State | undefined, options: EngineOptions) {
    const [learner] = membersOf(predictor);
    this.predictor = predictor;
    this.learner = learner;
    this.name = name;
    this.state = state;
    this.options = options;
    this.rules = rulesOf(learner, options.segmentBy);
    this.people = new People(options, bytesOfPerson);
    this.popularity = new Popularity(learner, state);
    this.trainedRows = learner.servedCatalog().items.rows;
  }

  /** Loads a model and the state's items, and makes a first list, so that the caches are filled before the first request. */
  static async load(path: string, state: State | undefined, options: EngineOptions): Promise<Engine> {
    const { threads, device } = options;
    return Engine.of(await loadPredictor(path, { threads, device }), state, options);
  }

  static async of(predictor: Learner | Ensemble, state: State | undefined, options: EngineOptions): Promise<Engine> {
    for (const learner of membersOf(predictor))
      if (learner.catalog === undefined)
        throw invalid('model', 'has no catalog', learner.algorithm.name, 'a model that was trained');
    if (predictor instanceof Ensemble) checkAlike(predictor);
    const engine = new Engine(predictor, nameOf(membersOf(predictor)), state, options);
    await engine.putStored();
    const { me } = await engine.person({ interactions: [] }, undefined);
    await me.recommend({ count: 1, context: engine.emptyContext });
    return engine;
  }

  /** An empty context if the model reads features of interactions, which then take their default values; else undefined. */
  get emptyContext(): FeatureValues | undefined {
    return readsContext(this.learner) ? {} : undefined;
  }

  /** Runs `work` with the engine. An engine that was replaced is not disposed of before its last request is answered. */
  async lease<X>(work: (engine: Engine) => Promise<X>): Promise<X> {
    this.#leases++;
    try {
      return await this.gate.read(() => work(this));
    } finally {
      if (--this.#leases === 0) this.#retired?.();
    }
  }

  /** Disposes of the model once no request uses it. */
  async retire(): Promise<void> {
    await this.#changing.catch(() => undefined);
    if (this.#leases > 0) await new Promise<void>((done) => (this.#retired = done));
    this.people.clear();
    this.predictor.dispose();
  }

  /** Puts the items of the state, without what the model cannot read: it may have other columns than the last one. */
  async putStored(): Promise<void> {
    const stored = (await this.state?.items()) ?? [];
    const reasons: string[] = [];
    const isRead = (check: () => void) => {
      try {
        check();
        return true;
      } catch (error) {
        reasons.push((error as Error).message);
        return false;
      }
    };
    let count = 0;
    const readable = stored.flatMap((item): ItemRecord[] => {
      const [before, field] = [reasons.length, `items[${JSON.stringify(item.id)}]`];
      const isItem = isRead(() => this.rules.checkItemId(item.id, `${field}.id`));
      const features = Object.entries(item.features).filter(([name, value]) =>
        isRead(() => this.rules.checkItem({ [name]: value }, `${field}.features`)),
      );
      if (reasons.length > before) count++;
      return isItem ? [{ ...item, features: Object.fromEntries(features) }] : [];
    });
    await this.putItems(readable);
    this.unread =
      count === 0 ? undefined : `the model cannot read all of ${count} items of the state, the first: ${reasons[0]}`;
  }

  /** Adds, changes, hides or shows items; it takes effect from the next request on. */
  async putItems(items: readonly ItemRecord[]): Promise<void> {
    if (items.length === 0) return;
    const change = () => this.#put(items);
    await (this.#changing = this.#changing.then(change, change));
  }

  /** Requests are answered while the catalogs are made, and wait only while all members get theirs. */
  async #put(items: readonly ItemRecord[]): Promise<void> {
    const { keys } = this.learner.servedCatalog().items;
    // A known item without features in its record keeps the model's own: only its owner or visibility changes.
    const changed = items.filter(({ id, features }) => Object.keys(features).length > 0 || keys.idOf(id) === 0);
    const placing: (() => number)[] = [];
    if (changed.length > 0)
      for (const learner of membersOf(this.predictor))
        placing.push(await preparedItems(learner, itemTables(learner, changed)));
    await this.gate.write(() => {
      for (const place of placing) place();
      if (changed.length > 0) {
        this.#countAdded();
        // Personal models belong to the catalog that they were adapted over, so they are discarded.
        this.people.clear();
      }
      for (const item of items) this.#note(item);
    });
  }

  /**
   * Gives added items the smallest count of training interactions with which items are ranked normally. Items with fewer come last
   * in a list, so an added item, which has none, would stay unseen until the next training. Its features alone decide its score.
   */
  #countAdded(): void {
    for (const learner of membersOf(this.predictor)) {
      const { rows } = learner.servedCatalog().items;
      if (learner.itemCounts === undefined || learner.itemCounts.length === rows) continue;
      const counts = new Int32Array(rows).fill(MIN_SUPPORT);
      counts.set(learner.itemCounts);
      learner.itemCounts = counts;
    }
  }

  /** Records who owns an item and whether it is hidden. */
  #note({ id, owner, hidden }: ItemRecord): void {
    if (hidden) this.#hidden.add(id);
    else this.#hidden.delete(id);
    const before = this.#ownerOf.get(id);
    if (before !== undefined) this.#owned.get(before)?.delete(id);
    this.#ownerOf.delete(id);
    if (owner === null) return;
    this.#ownerOf.set(id, owner);
    this.#owned.set(owner, (this.#owned.get(owner) ?? new Set()).add(id));
  }

  /** Items that a list must not contain: hidden items, items that the person owns, and those in `seen` and `more`. */
  excluded(user: string | undefined, seen: Iterable<string>, more: Iterable<string>): Set<string> {
    const own = user === undefined ? [] : (this.#owned.get(user) ?? []);
    return new Set([...this.#hidden, ...own, ...seen, ...more]);
  }

  get hidden(): ReadonlySet<string> {
    return this.#hidden;
  }

  /** Scores of the same items for several people, given as support sets or as personal models of this engine. */
  async predictMany(
    users: readonly (Support | PersonalModel | PersonalEnsemble)[],
    items: readonly string[],
    options: { context?: FeatureValues; signal?: AbortSignal },
  ): Promise<Float64Array[]> {
    const { predictor } = this;
    if (!(predictor instanceof Ensemble))
      return predictor.predictMany(users as readonly (Support | PersonalModel)[], items, options);
    const supports = users.filter((user): user is Support => !(user instanceof PersonalEnsemble));
    const adapted = (await predictor.adaptMany(supports, { signal: options.signal })).values();
    const people = users.map((user) => (user instanceof PersonalEnsemble ? user : adapted.next().value!));
    return Promise.all(people.map((me) => me.predict(items, options)));
  }

  /** The personal model of a request. It is held for later requests if the request names only a user of the state. */
  person(who: Who, signal: AbortSignal | undefined): Promise<ServedPerson> {
    const { user, interactions, features } = who;
    const isPlain =
      user !== undefined && interactions === undefined && features === undefined && this.state !== undefined;
    // Other requests may wait for a held person too, so the signal of one request must not abort it.
    return isPlain ? this.people.get(user, () => personOf(this, who, undefined)) : personOf(this, who, signal);
  }
}

/** Checks that all members of an ensemble read the same inputs, because a request brings the same values for all of them. */
function checkAlike({ members }: Ensemble): void {
  const read = members.map(({ model }) =>
    model.spec.inputs
      .map(({ name }) => name)
      .sort()
      .join(', '),
  );
  read.forEach((names, k) => {
    if (names !== read[0])
      throw invalid(`model, member ${k}`, 'reads other inputs than the first member', names, read[0]);
  });
}

/** The first eight hexadecimal digits of a digest of the run and all parameters, which tell models apart in a log. */
function nameOf(learners: readonly Learner[]): string {
  const hash = createHash('sha256');
  for (const learner of learners) {
    hash.update(JSON.stringify([runManifest(learner) ?? null, learner.epochs]));
    learner.model.tensors.forEach((_, t) => {
      const tensor = learner.model.ops.readTensor(learner.store, t);
      hash.update(new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength));
    });
  }
  return hash.digest('hex').slice(0, 8);
}
