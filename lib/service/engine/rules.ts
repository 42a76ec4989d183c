/** Checks values and features of people, items and interactions against the model before they are stored. */
import { contextNames, checkGiven, givenColumns } from '../../batch/given-features.js';
import type { FeatureValues } from '../../batch/given-features.js';
import { SIDES } from '../../batch/features.js';
import { invalid, unknownName } from '../../foundation/check.js';
import type { Column } from '../../foundation/contract.js';
import { idTexts } from '../../data/ids.js';
import type { Learner } from '../../learner/learner.js';
import type { EntityColumns } from '../../data/columnar.js';
import type { ColumnFeature } from '../../data/columnar-features.js';
import { lossOf } from '../../model/losses.js';
import { isLabel, isWithin } from '../../serving/labels.js';
import type { ItemRecord } from '../state/state.js';
import type { RecordRules } from '../state/records.js';

export function rulesOf(learner: Learner, segmentBy: string | undefined): RecordRules {
  const { head } = learner.model.spec;
  const loss = lossOf(head);
  const { range } = learner.rowState;
  const given = (side: typeof SIDES.users | typeof SIDES.interactions) => (features: FeatureValues, field: string) => {
    const bound = learner.bind(learner.servedCatalog());
    checkGiven(bound, side, features, field);
    // Packs them as a request will do, only so that wrong values are found now; the result is discarded.
    givenColumns(learner.model, bound, side, [features], 0, 0, () => field);
  };
  const checkUser = given(SIDES.users);
  return {
    segmentBy,
    // With losses other than mse, label 1 is a click or purchase, which is what an interaction without a value means.
    defaultValue: loss.fits(1, head) && head.loss !== 'mse' ? 1 : undefined,
    checkValue(value, field) {
      if (!isLabel(value, loss, head)) throw invalid(field, `not a label for ${head.loss}`, value, loss.labels(head));
      if (head.loss === 'mse' && !isWithin(range, value))
        throw invalid(field, 'outside of the ratings of the training data', value, `${range!.min} to ${range!.max}`);
    },
    checkContext: given(SIDES.interactions),
    checkPerson(features, field) {
      const { columns } = learner.servedCatalog().users;
      // The group for popularity need not be a column that the model knows.
      if (segmentBy === undefined || columns.some(({ name }) => name === segmentBy)) return checkUser(features, field);
      const { [segmentBy]: _, ...read } = features;
      checkUser(read, field);
    },
    // The catalog reads ids as data, where texts such as NA stand for missing ones.
    checkItemId: (id, field) => void idTexts([id], field),
    checkItem(features, field) {
      const columns = writableColumns(learner);
      const names = columns.map(({ name }) => name);
      for (const [name, value] of Object.entries(features)) {
        const column = columns.find((each) => each.name === name);
        if (column === undefined) throw unknownName(`${field}.${name}`, 'no such column of the items', name, names);
        checkItemValue(column, value, `${field}.${name}`);
      }
    },
  };
}

/** Whether the model reads features of interactions. */
export function readsContext(learner: Learner): boolean {
  return contextNames(learner.bind(learner.servedCatalog())).length > 0;
}

/** The item columns that requests may set: all but `<name>.present`, which follows from column `<name>`. */
function writableColumns(learner: Learner): Column[] {
  const { columns } = learner.servedCatalog().items;
  return columns.filter(({ name }) => presenceOf(name, columns) === undefined);
}

function presenceOf(name: string, columns: readonly Column[]): Column | undefined {
  const [, base] = /^(.*)\.present$/.exec(name) ?? [];
  return base === undefined ? undefined : columns.find((column) => column.name === base);
}

function checkItemValue(column: Column, value: unknown, field: string): void {
  if (value === null || value === undefined) return;
  const isText = (each: unknown) => typeof each === 'string' || (typeof each === 'number' && Number.isFinite(each));
  if (column.kind === 'categorical' && !isText(value)) throw invalid(field, 'not a text', value, 'a text or a number');
  if (column.kind === 'bag' && !(Array.isArray(value) && value.every(isText)))
    throw invalid(field, 'not a list of texts', value, 'a list of texts');
  if (column.kind !== 'dense') return;
  const numbers: unknown[] = Array.isArray(value) ? value : [value];
  const isNumber = (each: unknown) => typeof each === 'number' && Number.isFinite(Math.fround(each));
  if (numbers.length !== column.size || !numbers.every(isNumber))
    throw invalid(
      field,
      'not the numbers of the column',
      value,
      column.size === 1 ? 'a number that float32 can hold' : `${column.size} numbers that float32 can hold`,
    );
}

/**
 * Items as tables of columns, one table for each set of feature names that records have. A known item keeps its values in the
 * columns that its record does not name.
 */
export function itemTables(learner: Learner, items: readonly ItemRecord[]): EntityColumns[] {
  const groups = new Map<string, ItemRecord[]>();
  for (const item of items) {
    const key = JSON.stringify(Object.keys(item.features).sort());
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  const columns = writableColumns(learner);
  const { columns: all } = learner.servedCatalog().items;
  return [...groups.values()].map((group) => {
    const named = columns.filter(({ name }) => name in group[0].features);
    const features = named.map((column): [string, ColumnFeature] => {
      const values = group.map(({ features: own }) => own[column.name] ?? null);
      if (column.kind !== 'dense') return [column.name, { kind: column.kind, values } as ColumnFeature];
      const present = all.some(({ name }) => name === `${column.name}.present`);
      return [column.name, { kind: 'dense', values, ...(present && { present }) } as ColumnFeature];
    });
    return { id: group.map(({ id }) => id), features: Object.fromEntries(features) };
  });
}
