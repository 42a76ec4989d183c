/** The configuration's schema of options that the library describes as data. */
import * as z from 'zod';
import { docOf } from '../foundation/options.js';
import type { OptionKind, OptionSpec, OptionTable, ValueOf } from '../foundation/options.js';

/** The schema of an options object, to stand in `z.strictObject`; options that no configuration can hold are left out. */
export function zodShape<T extends OptionTable>(table: T): ZodShape<T> {
  return shapeOf(table) as ZodShape<T>;
}
function shapeOf(table: OptionTable): Record<string, z.ZodType> {
  const options = Object.entries(table).filter(([, spec]) => !isGiven(spec));
  return Object.fromEntries(options.map(([name, spec]) => [name, zodOption(spec)]));
}
/** What zod infers of a table. */
type ZodShape<T> = {
  [Name in keyof T as T[Name] extends { kind: 'given' } ? never : Name]: T[Name] extends { required: true }
    ? z.ZodType<PlainOf<T[Name]>>
    : z.ZodOptional<z.ZodType<PlainOf<T[Name]>>>;
};
/** Values of a kind without those that only code can give. */
type PlainOf<K> = K extends { kind: 'any'; of: readonly (infer E)[] }
  ? E extends { kind: 'given' }
    ? never
    : ValueOf<E>
  : K extends { kind: 'list'; of: infer E }
    ? PlainOf<E>[]
    : ValueOf<K>;

const isGiven = (kind: OptionKind): boolean =>
  kind.kind === 'given' ||
  (kind.kind === 'any' && kind.of.every(isGiven)) ||
  (kind.kind === 'list' && isGiven(kind.of));

function zodOption(spec: OptionSpec): z.ZodType {
  const kind = zodKind(spec);
  const type = spec.required ? kind : kind.optional();
  // `describe` would make a copy of the type first.
  z.globalRegistry.add(type, { description: docOf(spec) });
  return type;
}

function zodKind(kind: OptionKind): z.ZodType {
  switch (kind.kind) {
    case 'integer':
      return kind.max === undefined ? z.int().check(z.gte(kind.min)) : z.int().check(z.gte(kind.min), z.lte(kind.max));
    case 'number':
      return zodNumber(kind);
    case 'boolean':
      return z.boolean();
    case 'text':
      return kind.orEmpty ? z.string() : z.string().min(1);
    case 'choice': {
      const texts = kind.of.filter((each) => typeof each === 'string');
      return texts.length === kind.of.length ? z.enum(texts) : z.literal([...kind.of]);
    }
    case 'list':
      return kind.least === undefined ? z.array(zodKind(kind.of)) : z.array(zodKind(kind.of)).min(kind.least);
    case 'object':
      return z.strictObject(shapeOf(kind.fields));
    case 'variant':
      return z.union(zodVariants(kind));
    case 'record':
      return z.record(z.string(), zodKind(kind.of));
    case 'any': {
      const all = kind.of.filter((each) => !isGiven(each)).map(zodKind);
      return all.length === 1 ? all[0] : z.union(all);
    }
    case 'given':
      throw new Error('left out where it stands');
  }
}

/** One object for each value of the tag. */
export function zodVariants({ of, tag = 'kind' }: Extract<OptionKind, { kind: 'variant' }>): z.ZodObject[] {
  return Object.entries(of).map(([name, table]) => z.strictObject({ [tag]: z.literal(name), ...shapeOf(table) }));
}

function zodNumber({ min, max, above, fraction }: Extract<OptionKind, { kind: 'number' }>): z.ZodType {
  const checks = [
    ...(above === undefined ? [] : [z.gt(above)]),
    ...(min === undefined ? [] : [z.gte(min)]),
    ...(max === undefined ? [] : [z.lte(max)]),
    ...(fraction ? [z.lt(1)] : []),
  ];
  return checks.length === 0 ? z.number() : z.number().check(...checks);
}
