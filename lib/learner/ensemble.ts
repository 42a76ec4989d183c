/** Several learners as one: the mean of what they predict. */
import { titleOf } from '../algorithms/check.js';
import { checkArray, checkOneOf, invalid } from '../foundation/check.js';
import type { Dataset, TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { Uncloneable } from '../foundation/uncloneable.js';
import { lossOf } from '../model/losses.js';
import type { Model } from '../model/model.js';
import { Learner } from './learner.js';

/** Losses under which a mean of outputs is an output: ratings, and logits. */
const AVERAGED = ['mse', 'bce'] as const;

/**
 * Learners of any kind that predict together, each trained by itself: the mean of their ratings under `mse`, of their logits under
 * `bce`. Made by {@link createEnsemble}; `adapt` gives a personal model of all of them in one call.
 */
export class Ensemble extends Uncloneable {
  /** The learners whose predictions are averaged. */
  readonly members: readonly Learner[];

  /** @internal */
  constructor(members: readonly Learner[]) {
    super('ensemble', 'saveEnsemble(ensemble, path) here, and loadEnsemble(path) in the other thread');
    this.members = members;
  }

  /** @internal That of the first member: its head is that of all. */
  get model(): Model {
    return this.members[0].model;
  }

  /** `ensemble of 2 ridge, maml`. */
  get name(): string {
    const counts = new Map<string, number>();
    for (const name of this.members.map(nameOf)) counts.set(name, (counts.get(name) ?? 0) + 1);
    return `ensemble of ${[...counts].map(([name, n]) => (n === 1 ? name : `${n} ${name}`)).join(', ')}`;
  }

  /**
   * As `learner.outputs`: the mean over the members, for every query row of a task set.
   *
   * @throws {InnerloopError} DIVERGED naming the task; ABORTED
   */
  async outputs(tasks: TaskSet, when: 'before' | 'after', signal?: AbortSignal): Promise<Float64Array> {
    checkOneOf(when, 'when', ['before', 'after']);
    const all: Float64Array[] = [];
    for (const member of this.members) all.push(await member.outputs(tasks, when, signal));
    return meanOutputs(all);
  }

  /** @internal The catalog that the members share. @throws {InnerloopError} INVALID_OPTION where they know other items */
  servedCatalog(): Dataset {
    const [first, ...others] = this.members.map((member) => member.servedCatalog());
    const { values } = first.items.keys;
    others.forEach((catalog, k) => {
      const own = catalog.items.keys.values;
      if (own !== values && (own.length !== values.length || own.some((id, row) => id !== values[row])))
        throw invalid(
          `members[${k + 1}]`,
          'knows other items than members[0], or in another order',
          `${own.length - 1} items`,
          'members that were trained on the same dataset',
        );
    });
    return first;
  }
}

/** @internal The mean of outputs, number by number, in the order of the members. */
export function meanOutputs(all: readonly Float64Array[]): Float64Array {
  const mean = new Float64Array(all[0].length);
  for (const outputs of all) for (let i = 0; i < mean.length; i++) mean[i] += outputs[i];
  for (let i = 0; i < mean.length; i++) mean[i] /= all.length;
  return mean;
}

/**
 * Takes learners together: trained ones, or ones that are trained before it predicts. Learners that err in different ways err less
 * on average.
 *
 * ```ts
 * const ensemble = createEnsemble([ridgeLearner, mamoLearner]);
 * const me = await ensemble.adapt({ items: ['1', '296'], labels: [5, 4] });
 * ```
 *
 * @param members two or more, all under `mse` or all under `bce`
 * @throws {InnerloopError} INVALID_OPTION; UNSUPPORTED under a loss whose scores have no common scale to average on
 */
export function createEnsemble(members: readonly Learner[]): Ensemble {
  const given: unknown = members;
  checkArray(given, 'members', 'learners');
  given.forEach((member, k) => {
    if (!(member instanceof Learner))
      throw invalid(`members[${k}]`, 'not a learner', member, 'what createLearner or loadLearner returned');
    if (given.indexOf(member) < k)
      throw invalid(`members[${k}]`, 'stands there twice', member.algorithm.name, 'learners of their own');
  });
  if (members.length < 2) throw invalid('members', 'no ensemble', members, 'at least two learners');
  const losses = members.map(({ model }) => model.spec.head.loss);
  losses.forEach((loss, k) => {
    if (!(AVERAGED as readonly string[]).includes(loss))
      throw new InnerloopError('UNSUPPORTED', 'has scores that cannot be averaged', {
        field: `members[${k}].model.head.loss`,
        value: loss,
        expected: lossOf(members[k].model.spec.head).ranks
          ? 'mse or bce: scores that only rank have no scale in common'
          : AVERAGED.join(' or '),
      });
    if (loss !== losses[0])
      throw invalid(`members[${k}].model.head.loss`, 'is not that of members[0]', loss, losses[0]);
  });
  return new Ensemble([...members]);
}

/** @internal Whether something predicts for tasks as a learner does. */
export const isPredictor = (value: unknown): value is Learner | Ensemble =>
  value instanceof Learner || value instanceof Ensemble;

/** @internal What a learner or an ensemble is called in tables. */
export const nameOf = (predictor: Learner | Ensemble): string =>
  predictor instanceof Ensemble ? predictor.name : titleOf(predictor.algorithm, predictor.model.spec.head.loss);

/** @internal The learners that something is made of. */
export const membersOf = (predictor: Learner | Ensemble): readonly Learner[] =>
  predictor instanceof Ensemble ? predictor.members : [predictor];
