/** What an ensemble does for one user: every member adapts, and their predictions are averaged. */
import { checkArray, checkBoolean, checkObject, checkSignal, invalid } from '../foundation/check.js';
import type { FloatArray } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { Uncloneable } from '../foundation/uncloneable.js';
import type { FeatureValues } from '../batch/given-features.js';
import { Ensemble, meanOutputs } from '../learner/ensemble.js';
import type { Uncertain } from '../learner/uncertainty.js';
import { diversify, unitVectors } from './diversity.js';
import type { ExplainOptions, Explanation } from './explain.js';
import { itemVectorsOf } from './item-vectors.js';
import { checkRecommend } from './options.js';
import type { RecommendOptions } from './options.js';
import { adaptedOf } from './person.js';
import type { PersonalModelJson } from './person-json.js';
import { PersonalModel } from './personal-model.js';
import { rowsAmong } from './among.js';
import { candidatesOf, heldBack, recommendTo } from './ranking.js';
import type { Ranking, Recommendation } from './ranking.js';
import { rankByScores, scoreRows } from './score-rows.js';
import { contextOf } from './support.js';
import type { GivenContext, Support, UnknownIds } from './support.js';

declare module '../learner/ensemble.js' {
  interface Ensemble {
    /**
     * Adapts every member to one user.
     *
     * @throws {InnerloopError} as `learner.adapt`; INVALID_OPTION where the members know other items
     */
    adapt(support: Support, options?: { signal?: AbortSignal }): Promise<PersonalEnsemble>;
    /** Adapts every member to many users. */
    adaptMany(supports: readonly Support[], options?: { signal?: AbortSignal }): Promise<PersonalEnsemble[]>;
    /** A personal model from what its `toJSON()` gave: no adaptation. @throws {InnerloopError} MODEL_FILE as `learner.restore` */
    restore(json: PersonalEnsembleJson): PersonalEnsemble;
    /** Frees the parameters of all members. */
    dispose(): void;
    [Symbol.dispose](): void;
  }
}

/** What `me.toJSON()` of an ensemble gives. */
export interface PersonalEnsembleJson {
  format: 'innerloop-personal-ensemble';
  version: 1;
  /** In the order of the members. */
  members: PersonalModelJson[];
}
const FORMAT = 'innerloop-personal-ensemble';

/** An ensemble adapted to one user: the mean of its members' personal models. */
export class PersonalEnsemble extends Uncloneable {
  /** One of each member, in their order. */
  readonly members: readonly PersonalModel[];

  /** @internal */
  constructor(members: readonly PersonalModel[]) {
    super('personalModel', 'me.toJSON() to be sent, and ensemble.restore(json) where it arrives');
    this.members = members;
  }

  /** Ids of the support set that training did not have, and that were left out. */
  get unknown(): UnknownIds {
    return this.members[0].unknown;
  }

  /**
   * Scores of items, in the order given: the mean of the members' ratings under `mse`, of their logits under `bce`.
   *
   * @throws {InnerloopError} as of a personal model; UNSUPPORTED for `uncertainty`, which members do not share
   */
  predict(
    items: readonly (string | number)[],
    options?: { signal?: AbortSignal; context?: GivenContext; uncertainty?: false },
  ): Promise<Float64Array>;
  predict(
    items: readonly (string | number)[],
    options: { signal?: AbortSignal; context?: GivenContext; uncertainty: true },
  ): Promise<Uncertain>;
  async predict(
    items: readonly (string | number)[],
    options: { signal?: AbortSignal; context?: GivenContext; uncertainty?: boolean } = {},
  ): Promise<Float64Array | Uncertain> {
    checkObject(options, 'options', ['signal', 'context', 'uncertainty']);
    const { signal, context, uncertainty = false } = options;
    checkBoolean(uncertainty, 'options.uncertainty');
    if (uncertainty) throw unsupported('options.uncertainty', 'has no predictive variance', 'ridge or laplace alone');
    return meanOutputs(await Promise.all(this.members.map((member) => member.predict(items, { signal, context }))));
  }

  /**
   * The best items of the catalog by the mean of the members' scores, with the options of `me.recommend`. With `diversity` items
   * are as much alike as the members find them on average.
   *
   * @throws {InnerloopError} UNSUPPORTED for `explore`, which needs one posterior
   */
  async recommend(options: RecommendOptions = {}): Promise<Recommendation[]> {
    const settings = checkRecommend(options);
    if (settings.explore !== false)
      throw unsupported('options.explore', 'has no posterior to draw from', 'ridge or laplace alone');
    const people = this.members.map((member) => PersonalModel.personOf(member));
    const rank: Ranking = async ([first], asked, minSupport) => {
      const { pool, wanted, excluded } = candidatesOf(first, asked, minSupport);
      const among = rowsAmong(first.catalog, asked);
      if (pool.isEmpty) return [{ person: first, rows: [], scores: [] }];
      const { catalog } = first;
      const { signal, diversity, count } = asked;
      const score = async (rows: Int32Array) =>
        meanOutputs(
          await Promise.all(
            people.map((person) => {
              const context = contextOf(person.learner, person.catalog, asked.context, rows.length, 'options.context');
              return scoreRows(person, rows, context, signal);
            }),
          ),
        );
      const exclude = heldBack(first, asked, excluded);
      const { rows, scores, keys } = await rankByScores({ catalog, exclude, score }, { pool, among, count: wanted });
      people.forEach(adaptedOf); // A step that began meanwhile may have moved the parameters under it.
      if (diversity === 0) return [{ person: first, rows: Array.from(rows), scores: Array.from(scores) }];
      const each = await Promise.all(people.map(({ learner, catalog: own }) => itemVectorsOf(learner, own, rows)));
      const order = diversify(Array.from(keys), joined(each, rows.length), diversity, count);
      return [{ person: first, rows: order.map((i) => rows[i]), scores: order.map((i) => scores[i]) }];
    };
    const [list] = await recommendTo([people[0]], settings, rank);
    return list;
  }

  /**
   * As `me.explain`: the influence of an interaction on a mean is the mean of its influences, each found in the way of its member.
   *
   * @throws {InnerloopError} INVALID_OPTION where a member has not the method that was asked for
   */
  async explain(item: string | number, options: ExplainOptions = {}): Promise<Explanation[]> {
    const all = await Promise.all(this.members.map((member) => member.explain(item, options)));
    const merged = new Map<string, Explanation>();
    for (const list of all) {
      const times = new Map<string, number>();
      for (const each of list) {
        const once = JSON.stringify([each.item, each.label]);
        const key = `${once} ${times.set(once, (times.get(once) ?? 0) + 1).get(once)}`;
        const known = merged.get(key) ?? { ...each, influence: 0 };
        merged.set(key, { ...known, influence: known.influence + each.influence / all.length });
      }
    }
    return [...merged.values()].sort((a, b) => Math.abs(b.influence) - Math.abs(a.influence));
  }

  /** A new personal model that knows one interaction more. */
  async update(
    item: string | number,
    label: number,
    options: { context?: FeatureValues; signal?: AbortSignal } = {},
  ): Promise<PersonalEnsemble> {
    return new PersonalEnsemble(await Promise.all(this.members.map((member) => member.update(item, label, options))));
  }

  /** Plain data: `ensemble.restore(json)` makes it a personal model again. */
  toJSON(): PersonalEnsembleJson {
    return { format: FORMAT, version: 1, members: this.members.map((member) => member.toJSON()) };
  }

  /** Frees the adapted parameters at once; what is called later is refused with DISPOSED. */
  dispose(): void {
    for (const member of this.members) member.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

Ensemble.prototype.adapt = async function (support, options = {}) {
  this.servedCatalog();
  return new PersonalEnsemble(await Promise.all(this.members.map((member) => member.adapt(support, options))));
};

Ensemble.prototype.adaptMany = async function (supports, options = {}) {
  const untyped: unknown = supports;
  checkArray(untyped, 'supports', 'support sets');
  checkObject(options, 'options', ['signal']);
  checkSignal(options.signal, 'options.signal');
  this.servedCatalog();
  const byMember = await Promise.all(this.members.map((member) => member.adaptMany(supports, options)));
  return supports.map((_, u) => new PersonalEnsemble(byMember.map((people) => people[u])));
};

Ensemble.prototype.restore = function (json) {
  checkObject(json, 'json', ['format', 'version', 'members']);
  const { format, version, members } = json as PersonalEnsembleJson;
  if ((format as string) !== FORMAT || (version as number) !== 1)
    throw new InnerloopError('MODEL_FILE', 'not a personal model of an ensemble of this version', {
      field: 'json.format',
      value: format,
      expected: `${FORMAT}, version 1`,
    });
  checkArray(members, 'json.members', 'personal models');
  if (members.length !== this.members.length)
    throw invalid('json.members', 'not one of each member', members.length, `${this.members.length}`);
  return new PersonalEnsemble(this.members.map((member, k) => member.restore(members[k])));
};

Ensemble.prototype.dispose = function () {
  for (const member of this.members) member.checkIdle();
  for (const member of this.members) member.dispose();
};

Ensemble.prototype[Symbol.dispose] = function () {
  this.dispose();
};

/** Unit vectors of the members side by side, of whom the cosine is the mean of theirs. */
function joined(each: readonly FloatArray[], rows: number): Float64Array {
  if (rows === 0) return new Float64Array(0);
  const widths = each.map(({ length }) => length / rows);
  const width = widths.reduce((a, b) => a + b, 0);
  const all = new Float64Array(rows * width);
  let at = 0;
  each.forEach((vectors, k) => {
    const unit = unitVectors(vectors, rows, widths[k]);
    for (let row = 0; row < rows; row++)
      for (let c = 0; c < widths[k]; c++) all[row * width + at + c] = unit[row * widths[k] + c];
    at += widths[k];
  });
  return all;
}

function unsupported(field: string, what: string, expected: string): InnerloopError {
  return new InnerloopError('UNSUPPORTED', `an ensemble ${what}`, { field, expected });
}
