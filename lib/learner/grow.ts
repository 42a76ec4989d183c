/** A learner that goes on with new users, items and values: rows of its catalog, and rows of its tables, are appended. */
import type {
  CategoricalColumn,
  BagColumn,
  Column,
  Dataset,
  DenseColumn,
  FeatureTable,
  FloatArray,
  InputSpec,
  Vocabulary,
} from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import type { NativeState } from '../foundation/addon.js';
import { translateRowSteps } from '../batch/row-rules.js';
import { atOnce, mapped, NUMBER, pieces } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';
import { copied, gatherSteps } from '../data/columns.js';
import { rawNumbers, scaledSteps } from '../data/scaling.js';
import type { Tables } from '../data/scaling.js';
import { extendedSteps, idsInSteps, indexSteps } from '../data/vocabulary.js';
import { lossOf } from '../model/losses.js';
import { defineModel } from '../model/model.js';
import type { Model } from '../model/model.js';
import { catalogOf } from './catalog.js';
import { placed } from './device.js';
import { Learner } from './learner.js';
import { startingStore } from './starting.js';
import { captureState, restoreState } from './state.js';

// ------------------------------------------------------------------------------------------------------- the catalog

/** What of a learner depends on which users and items there are. @internal */
export type Grown = Pick<Learner, 'catalog' | 'rowState'>;

/**
 * Puts the users and items of a dataset into the learner's catalog: new ones after the known ones, whose features become those of
 * the dataset. Numbers are scaled by the learner's moments, texts that are new get ids after the known ones.
 *
 * @internal
 */
export function growCatalog(learner: Learner, dataset: Dataset, sides: readonly (keyof Tables)[]): void {
  Object.assign(learner, atOnce(growSteps(learner, dataset, sides)));
}

/** The catalog with those users and items, in steps; what there is stays as it is. @internal */
export function* growSteps(
  { catalog, rowState }: Grown,
  dataset: Dataset,
  sides: readonly (keyof Tables)[],
): Steps<Grown> {
  if (catalog === undefined) return { catalog: catalogOf(dataset), rowState };
  const isKnown = (side: keyof Tables) => side === 'context' || dataset[side].keys === catalog[side].keys;
  if (sides.every(isKnown)) return { catalog, rowState };
  const now = catalogOf(yield* scaledSteps(dataset, catalog));
  const grown: Dataset = { ...catalog };
  for (const side of sides) grown[side] = yield* mergedTable(catalog[side], now[side]);
  // A history is of the items there are now.
  const columns = grown.context.columns.map((column) =>
    column.kind === 'sequence' ? { ...column, vocabulary: grown.items.keys } : column,
  );
  grown.context = { ...grown.context, columns };
  return { catalog: grown, rowState: yield* translateRowSteps(rowState, catalog, grown) };
}

function* mergedTable(old: FeatureTable, now: FeatureTable): Steps<FeatureTable> {
  const isContext = old.keys.values.length <= 1 && now.keys.values.length <= 1 && old.rows === now.rows;
  const keys = isContext ? old.keys : yield* union(old.keys, now.keys);
  const rows = isContext ? old.rows : keys.values.length;
  // Where each row comes from: today's table, or else the old one, whose rows come first. What is not there today stays where it
  // is, so that few new rows cost little beside copies of the tables.
  const from = yield* mapped(new Int32Array(rows), (_, row) => row);
  if (!isContext) {
    const known = yield* idsInSteps(old.keys, now.keys.values);
    let next = old.rows;
    yield* mapped(known, (row, today) => (today === 0 ? 0 : (from[row > 0 ? row : next++] = old.rows + today)));
  }
  const columns: Column[] = [];
  for (const column of old.columns) {
    const same = now.columns.find(({ name, kind }) => name === column.name && kind === column.kind);
    if (same !== undefined) columns.push(yield* gatherSteps(yield* joined(column, same), from));
    else {
      const kept = yield* mapped(from, (row, to) => (row < old.rows ? row : to < old.rows ? to : 0));
      columns.push(yield* gatherSteps(column, kept));
    }
  }
  if (!isContext) yield* indexSteps(keys.values);
  return { rows, keys, columns };
}

function* union(old: Vocabulary, now: Vocabulary): Steps<Vocabulary> {
  const known = yield* idsInSteps(old, now.values);
  const more: string[] = [];
  yield* pieces(known.length, (from, to) => {
    for (let id = Math.max(1, from); id < to; id++) if (known[id] === 0) more.push(now.values[id]);
  });
  return more.length === 0 ? old : yield* extendedSteps(old, more);
}

/** The rows of two columns of one name, one after the other, in the ids of both vocabularies. */
function* joined(old: Column, now: Column): Steps<Column> {
  if (old.kind === 'sequence' || now.kind === 'sequence') return old;
  if (old.kind === 'dense' || now.kind === 'dense') {
    const data = yield* joinedArrays(old.data as Float32Array, now.data as Float32Array);
    return { ...old, data, ...(yield* joinedRaw(old as DenseColumn, now as DenseColumn)) } as Column;
  }
  const vocabulary = yield* union(old.vocabulary, now.vocabulary);
  const map = yield* idsInSteps(vocabulary, now.vocabulary.values);
  const data = yield* joinedArrays(old.data, yield* mapped(now.data, (id) => map[id]));
  if (old.kind === 'categorical') return { ...old, vocabulary, data };
  const more = yield* mapped((now as BagColumn).offsets.subarray(1), (at) => at + old.data.length);
  return { ...old, vocabulary, data, offsets: yield* joinedArrays(old.offsets, more) };
}

function* joinedArrays<T extends Int32Array | Float32Array>(a: T, b: T): Steps<T> {
  const both = new (a.constructor as new (length: number) => T)(a.length + b.length);
  yield* copied(both, a);
  return yield* copied(both, b, a.length);
}

/** Numbers in the units of the source, where the catalog keeps those. */
function* joinedRaw(old: DenseColumn, now: DenseColumn): Steps<Pick<DenseColumn, 'scaling'>> {
  if (old.scaling?.raw === undefined && now.scaling?.raw === undefined) return {};
  const raw = new Float64Array(old.data.length + now.data.length);
  let next = 0;
  for (const column of [old, now]) {
    const numberOf = rawNumbers(column);
    yield* pieces(
      column.data.length,
      (from, to) => {
        for (let place = from; place < to; place++) raw[next++] = numberOf(place);
      },
      NUMBER,
    );
  }
  return { scaling: { normalized: false, ...old.scaling, raw } };
}

// --------------------------------------------------------------------------------------------------------- the model

/**
 * Gives rows of their own to the users and items that tasks bring, and to the values of their features: what the learner knows
 * already stays as it is, what is new starts as everything did.
 *
 * @param counts interactions of the tasks, by user or item row of the dataset
 * @internal @throws {InnerloopError} UNSUPPORTED for an algorithm whose own parameters depend on the vocabularies
 */
export function growModel(learner: Learner, dataset: Dataset, counts: (side: 'user' | 'item') => Int32Array): void {
  const { model, catalog } = learner;
  const inputs = model.spec.inputs.map((input) => grownInput(input, catalog!, dataset, counts));
  if (inputs.every((input, i) => input === model.spec.inputs[i])) return;
  const { precision, threads, device, spec } = model;
  const { algorithm, optimizer, seed, rowRules } = learner;
  const grown = defineModel({ ...spec, inputs }, { precision, threads }).on(device);
  const { negatives, ...others } = rowRules;
  const rows = lossOf(spec.head).ranks === true ? { ...others, negatives } : others;
  const at = placed(grown, algorithm);
  const next = new Learner(at, algorithm, optimizer, seed, startingStore(at, { seed }), rows);
  const state = captureState(learner);
  const to = next.model;
  const fresh = captureState(next);
  restoreState(
    next,
    {
      store: grownState(model, to, state.store, fresh.store),
      rates: state.rates && grownState(model, to, state.rates, fresh.rates!),
      stepRates: state.stepRates,
    },
    'learner',
  );
  learner.become(next);
}

function grownInput(
  input: InputSpec,
  catalog: Dataset,
  dataset: Dataset,
  countsOf: (side: 'user' | 'item') => Int32Array,
): InputSpec {
  if (input.kind === 'dense' || input.vocabulary === undefined) return input;
  const known = new Set(input.vocabulary);
  const more: string[] = [];
  const add = (text: string) => {
    if (!known.has(text)) more.push(text);
    known.add(text);
  };
  const side = input.name === 'user' ? 'user' : input.name === 'item' || input.kind === 'sequence' ? 'item' : undefined;
  if (side === undefined) {
    const columns = [catalog.users, catalog.items, catalog.context].flatMap((table) => table.columns);
    const column = columns.find(({ name }) => name === input.name) as CategoricalColumn | BagColumn | undefined;
    for (const text of column?.vocabulary.values.slice(1) ?? []) add(text);
  } else {
    const table = side === 'user' ? dataset.users : dataset.items;
    const counts = countsOf(side);
    for (let row = 1; row < table.rows; row++) if (counts[row] > 0) add(table.keys.values[row]);
  }
  if (more.length === 0) return input;
  const vocabulary = [...input.vocabulary, ...more];
  return { ...input, vocabulary, cardinality: vocabulary.length };
}

/** A state in the layout of a model with longer tables, whose further rows are `fresh` and have no moments. */
function grownState(from: Model, to: Model, state: NativeState, fresh: NativeState): NativeState {
  const none = to.floats(0);
  const bare = (values: FloatArray): NativeState => ({
    values,
    firstMoment: none,
    secondMoment: none,
    touched: new Float64Array(0),
    step: 0,
  });
  /** What the tensors of an arrangement are, told by the core, which alone knows where they lie. */
  const moved = (values: FloatArray, rest: FloatArray): FloatArray => {
    if (values.length === 0) return values;
    const [old, grown] = [from.ops.createStore(from.native), to.ops.createStore(to.native)];
    from.ops.writeState(old, bare(values));
    to.ops.writeState(grown, bare(rest));
    from.tensors.forEach(({ name, shape }, t) => {
      const at = to.tensors.findIndex((tensor) => tensor.name === name);
      if (!fits(shape, to.tensors[at]?.shape))
        throw new InnerloopError('UNSUPPORTED', 'has parameters that new ids change the shape of', {
          field: `learner.parameters.${name}`,
          expected: 'a new learner for the new data',
        });
      const data = to.ops.readTensor(grown, at).slice();
      data.set(from.ops.readTensor(old, t));
      to.ops.writeTensor(grown, at, data);
    });
    return to.ops.readState(grown).values;
  };
  const zeros = to.floats(fresh.values.length);
  const touched: number[] = [];
  let next = 0;
  if (state.touched.length > 0)
    for (const { name, shape, embedding } of to.tensors) {
      if (!embedding) continue;
      const before = from.tensors.find((tensor) => tensor.name === name)!.shape[0];
      for (let row = 0; row < shape[0]; row++) touched.push(row < before ? state.touched[next + row] : state.step);
      next += before;
    }
  return {
    values: moved(state.values, fresh.values),
    firstMoment: moved(state.firstMoment, zeros),
    secondMoment: moved(state.secondMoment, zeros),
    touched: Float64Array.from(touched),
    step: state.step,
  };
}

function fits(old: readonly number[], now: readonly number[] | undefined): boolean {
  return now !== undefined && old.length === now.length && old.every((n, i) => (i === 0 ? n <= now[0] : n === now[i]));
}
