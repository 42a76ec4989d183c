/** Checks records from outside, in request bodies and in lines of imports. */
import { checkBoolean, checkInteger, checkNumber, checkObject, checkString, invalid } from '../../foundation/check.js';
import type { FeatureValues } from '../../batch/given-features.js';
import { trimText } from '../../data/values.js';
import { LIMITS } from '../api/schemas.js';
import type { Interaction, ItemRecord, PersonRecord } from './state.js';

/** The checks of records that depend on the model; each throws for values that the model cannot use. */
export interface RecordRules {
  /** The value of an interaction without one; undefined if a value must be given. */
  defaultValue: number | undefined;
  checkValue(value: number, field: string): void;
  checkContext(context: FeatureValues, field: string): void;
  /** The feature `segmentBy` need not be a column that the model has. */
  checkPerson(features: FeatureValues, field: string): void;
  checkItem(features: FeatureValues, field: string): void;
  checkItemId(id: string, field: string): void;
  /** The feature of people whose value is the group in which popularity is counted. */
  segmentBy: string | undefined;
}

export function idOf(value: unknown, field: string): string {
  const id = typeof value === 'number' && Number.isFinite(value) ? String(value) : value;
  checkString(id, field);
  // Data are read without the blanks around ids, so an id with blanks would never be found. Databases would store half of a
  // surrogate pair as another character.
  if (trimText(id) !== id || id.length > LIMITS.id || id.includes('\0') || /\p{Surrogate}/u.test(id))
    throw invalid(
      field,
      'not an id',
      id,
      `a text of at most ${LIMITS.id} characters of Unicode, without NUL or blanks around it`,
    );
  return id;
}

const INTERACTION = ['user', 'item', 'value', 'weight', 'time', 'event', 'context', 'recommendationId'];

/**
 * Checks an interaction and fills in its defaults.
 * @param now the time of an interaction without one
 * @param user whose it is; undefined: the interaction says it
 */
export function readInteraction(
  given: unknown,
  field: string,
  rules: RecordRules,
  now: number,
  user?: string,
): Interaction {
  checkObject(given, field, INTERACTION);
  const { value = rules.defaultValue, weight = 1, time = now, event = null, context = null } = given;
  const { recommendationId = null } = given;
  checkNumber(value, `${field}.value`);
  rules.checkValue(value, `${field}.value`);
  checkNumber(weight, `${field}.weight`, 0, LIMITS.weight);
  const at = timeOf(time, `${field}.time`);
  if (context !== null) rules.checkContext(featuresOf(context, `${field}.context`), `${field}.context`);
  return {
    user: user ?? idOf(given['user'], `${field}.user`),
    item: idOf(given['item'], `${field}.item`),
    value,
    weight,
    time: at,
    event: event === null ? null : idOf(event, `${field}.event`),
    context: context as FeatureValues | null,
    recommendation: recommendationId === null ? null : idOf(recommendationId, `${field}.recommendationId`),
  };
}

/** The last time that a date can represent. */
const LATEST = 8.64e15;

/** Reads milliseconds since 1970 or a date in ISO 8601 as milliseconds. */
function timeOf(value: unknown, field: string): number {
  const time = typeof value === 'string' ? Date.parse(value) : value;
  if (typeof value === 'string' && Number.isNaN(time))
    throw invalid(field, 'not a time', value, 'a date such as 2026-11-30T12:00:00Z, or milliseconds since 1970');
  checkInteger(time, field, 0, LATEST);
  return time;
}

export function readPerson(given: unknown, field: string, rules: RecordRules): PersonRecord {
  checkObject(given, field, ['id', 'features', 'hidden']);
  const { features = {}, hidden = false } = given;
  const values = featuresOf(features, `${field}.features`);
  checkBoolean(hidden, `${field}.hidden`);
  const { segmentBy } = rules;
  rules.checkPerson(values, `${field}.features`);
  const segment = segmentBy === undefined ? undefined : values[segmentBy];
  return {
    id: idOf(given['id'], `${field}.id`),
    features: values,
    segment: segment === undefined || segment === null || typeof segment === 'object' ? null : String(segment),
    hidden,
  };
}

export function readItem(given: unknown, field: string, rules: RecordRules): ItemRecord {
  checkObject(given, field, ['id', 'features', 'owner', 'hidden']);
  const { features = {}, owner = null, hidden = false } = given;
  rules.checkItem(featuresOf(features, `${field}.features`), `${field}.features`);
  checkBoolean(hidden, `${field}.hidden`);
  const id = idOf(given['id'], `${field}.id`);
  rules.checkItemId(id, `${field}.id`);
  return {
    id,
    features: features as FeatureValues,
    owner: owner === null ? null : idOf(owner, `${field}.owner`),
    hidden,
  };
}

function featuresOf(value: unknown, field: string): FeatureValues {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(field, 'not an object', value, 'values by name');
  return value as FeatureValues;
}
