/**
 * Options as data. From one table follow the type of an options object, its checks, its defaults, the JSON schema of the
 * configuration and the documentation, so that nothing about an option is written twice.
 */
import {
  checkArray,
  checkBoolean,
  checkFraction,
  checkInteger,
  checkNumber,
  checkObject,
  checkOneOf,
  checkSignal,
  checkString,
  invalid,
} from './check.js';

/** What values an option takes. */
export type OptionKind =
  | { readonly kind: 'integer'; readonly min: number; readonly max?: number }
  | {
      readonly kind: 'number';
      readonly min?: number;
      readonly max?: number;
      /** Greater than. */
      readonly above?: number;
      /** From `min` to below 1. */
      readonly fraction?: true;
    }
  | { readonly kind: 'boolean' }
  | {
      readonly kind: 'text';
      /** The empty text is one too. */
      readonly orEmpty?: true;
    }
  | { readonly kind: 'choice'; readonly of: readonly (string | number)[]; readonly what?: string }
  | {
      readonly kind: 'list';
      readonly of: OptionKind;
      readonly what: string;
      readonly least?: number;
      readonly rising?: true;
      /** Its type is a readonly array. */
      readonly isReadonly?: true;
    }
  | { readonly kind: 'object'; readonly fields: OptionTable }
  /** Values of one kind by names that the table does not know. */
  | { readonly kind: 'record'; readonly of: OptionKind; readonly what: string }
  /** An object in which the field `tag` (`kind` unless it is given) says which further fields it has. */
  | { readonly kind: 'variant'; readonly of: Readonly<Record<string, OptionTable>>; readonly tag?: string }
  | Given<unknown>
  /** The first that suits the value's type; `what` names them all. */
  | { readonly kind: 'any'; readonly of: readonly OptionKind[]; readonly what: string };

/** An object of the library, an array or a function: what code can give, and a configuration cannot. */
export interface Given<T> {
  readonly kind: 'given';
  /** Its type as TypeScript writes it. */
  readonly type: string;
  /** This field is never there; it carries the type. */
  readonly as?: T;
}
export const given = <T>(type: string): Given<T> => ({ kind: 'given', type });

/** The option of a signal that ends a call. */
export const signalOption = (doc: string) =>
  ({ ...given<AbortSignal>('AbortSignal'), check: checkSignal, doc }) as const;

/** The check of an option that is checked where it is used. */
export const checkedLater = (): void => undefined;

/**
 * Where a search looks for the value of an option: between two numbers, evenly or evenly by their logarithm, or among some values, of
 * which null is the option left out.
 */
export type SearchRange =
  | { readonly log: readonly [low: number, high: number] }
  | { readonly even: readonly [low: number, high: number] }
  | { readonly of: readonly unknown[] };
/** Ranges by the name of what they are of. */
export type SearchSpace = Readonly<Record<string, SearchRange>>;

/** One option: its values, what it means, and what stands for it where it is not given. */
export type OptionSpec = OptionKind & {
  /** A sentence or two, without the default. */
  readonly doc: string;
  /** The value that stands for an option that was not given. */
  readonly default?: unknown;
  /** The default in words, where it is not one value. */
  readonly defaultDoc?: string;
  readonly required?: true;
  /** What `innerloop tune` tries of it; without one it stays as it is. */
  readonly search?: SearchRange;
  /** The exported type of its values, where that has a name of its own. */
  readonly named?: string;
  /** Takes the place of the check of its kind, where that does not know enough. @throws {InnerloopError} */
  readonly check?: (value: unknown, field: string) => void;
};
export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** The type of the values of a kind. */
export type ValueOf<K> = K extends { kind: 'integer' | 'number' }
  ? number
  : K extends { kind: 'boolean' }
    ? boolean
    : K extends { kind: 'text' }
      ? string
      : K extends { kind: 'choice'; of: readonly (infer V)[] }
        ? V
        : K extends { kind: 'list'; of: infer E }
          ? K extends { isReadonly: true }
            ? readonly ValueOf<E>[]
            : ValueOf<E>[]
          : K extends { kind: 'object'; fields: infer F }
            ? OptionsOf<F>
            : K extends { kind: 'variant'; of: infer T }
              ? { [Name in keyof T]: Record<TagOf<K>, Name> & OptionsOf<T[Name]> }[keyof T]
              : K extends { kind: 'any'; of: readonly (infer E)[] }
                ? E extends unknown
                  ? ValueOf<E>
                  : never
                : K extends { kind: 'record'; of: infer E }
                  ? Record<string, ValueOf<E>>
                  : K extends { kind: 'given'; as?: infer V }
                    ? V
                    : never;
type TagOf<K> = K extends { tag: infer Tag extends string } ? Tag : 'kind';
type Required<T> = { [K in keyof T]: T[K] extends { required: true } ? K : never }[keyof T];
/** What a caller may give. */
export type OptionsOf<T> = { -readonly [K in Exclude<keyof T, Required<T>>]?: ValueOf<T[K]> } & {
  -readonly [K in Required<T>]: ValueOf<T[K]>;
};
/** The options after their checks, with defaults in place. */
export type Resolved<T> = {
  [K in keyof T]: T[K] extends { required: true } | { default: unknown } ? ValueOf<T[K]> : ValueOf<T[K]> | undefined;
};

/**
 * Checks an options object against its table and fills in the defaults; options without a default stay absent.
 *
 * @throws {InnerloopError} UNKNOWN_OPTION with the nearest name, INVALID_OPTION with the field, the value and what was expected
 */
export function resolveOptions<const T extends OptionTable>(given: unknown, field: string, table: T): Resolved<T> {
  const names = Object.keys(table);
  checkObject(given, field, names);
  const resolved: Record<string, unknown> = {};
  for (const name of names) {
    const spec: OptionSpec = table[name];
    const value = given[name];
    if (value !== undefined || spec.required) (spec.check ?? checkOf(spec))(value, `${field}.${name}`);
    if (value !== undefined) resolved[name] = isObject(value) && isPlain(spec) ? structuredClone(value) : value;
    else if (spec.default !== undefined)
      resolved[name] = isObject(spec.default) ? structuredClone(spec.default) : spec.default;
  }
  return resolved as Resolved<T>;
}

/** Whether a copy is worth taking: it costs as much as a small call does in all. */
const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/**
 * Checks those fields of an object that a table has, whatever others there are.
 *
 * @param path what stands before the names in errors, its dot included
 * @throws {InnerloopError} as {@link resolveOptions} does
 */
export function checkFields(given: Readonly<Record<string, unknown>>, path: string, table: OptionTable): void {
  for (const [name, spec] of Object.entries(table))
    if (given[name] !== undefined || spec.required) (spec.check ?? checkOf(spec))(given[name], `${path}${name}`);
}

const checkOf = (kind: OptionKind) => (value: unknown, field: string) => checkOption(value, field, kind);

/** Whether values of a kind are data, of which a copy can be taken. */
function isPlain(kind: OptionKind): boolean {
  switch (kind.kind) {
    case 'given':
      return false;
    case 'any':
      return kind.of.every(isPlain);
    case 'list':
    case 'record':
      return isPlain(kind.of);
    default:
      return true;
  }
}

/** Checks one value. @throws {InnerloopError} as {@link resolveOptions} does */
export function checkOption(value: unknown, field: string, kind: OptionKind): void {
  switch (kind.kind) {
    case 'integer':
      return checkInteger(value, field, kind.min, kind.max);
    case 'number':
      if (kind.fraction) return checkFraction(value, field, kind.min === 0);
      return checkNumber(value, field, kind.above ?? kind.min, kind.max, kind.above !== undefined);
    case 'boolean':
      return checkBoolean(value, field);
    case 'text':
      if (value === '' && kind.orEmpty) return;
      return checkString(value, field);
    case 'choice':
      return checkChoice(value, field, kind);
    case 'list':
      return checkList(value, field, kind);
    case 'object':
      return void resolveOptions(value, field, kind.fields);
    case 'variant':
      return checkVariant(value, field, kind);
    case 'record':
      return checkRecord(value, field, kind);
    case 'given':
      return;
    case 'any': {
      const suited = kind.of.find((each) => suits(value, each));
      if (suited === undefined) throw invalid(field, 'not a valid value', value, kind.what);
      return checkOption(value, field, suited);
    }
  }
}

type Of<Kind extends OptionKind['kind']> = Extract<OptionKind, { kind: Kind }>;

function checkChoice(value: unknown, field: string, { of, what }: Of<'choice'>): void {
  const texts = of.filter((each) => typeof each === 'string');
  if (texts.length === of.length) return checkOneOf(value, field, texts);
  if (!of.some((each) => each === value))
    throw invalid(field, 'not one of the choices', value, what ?? `one of ${of.join(', ')}`);
}

function checkList(value: unknown, field: string, { of, what, least = 0, rising }: Of<'list'>): void {
  checkArray(value, field, what);
  if (value.length < least) throw invalid(field, 'too short', value, `at least ${least} ${what}`);
  // Not forEach, which passes over holes.
  for (const [i, each] of value.entries()) {
    checkOption(each, `${field}[${i}]`, of);
    if (rising && i > 0 && (each as number) <= (value[i - 1] as number))
      throw invalid(`${field}[${i}]`, 'not above the one before', each, `rising ${what}`);
  }
}

function checkRecord(value: unknown, field: string, { of, what }: Of<'record'>): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(field, 'not an object', value, what);
  for (const [name, each] of Object.entries(value)) checkOption(each, `${field}.${name}`, of);
}

function checkVariant(value: unknown, field: string, { of, tag = 'kind' }: Of<'variant'>): void {
  const all = Object.values(of).flatMap((table) => Object.keys(table));
  checkObject(value, field, [tag, ...new Set(all)]);
  const name = value[tag];
  checkOneOf(name, `${field}.${tag}`, Object.keys(of));
  const table = of[name];
  checkObject(value, field, [tag, ...Object.keys(table)]);
  const { [tag]: _, ...rest } = value;
  resolveOptions(rest, field, table);
}

/** Whether a value has the type that a kind is about, so that the kind's own check says best what is wrong with it. */
function suits(value: unknown, kind: OptionKind): boolean {
  if (kind.kind === 'integer' || kind.kind === 'number') return typeof value === 'number';
  if (kind.kind === 'boolean') return typeof value === 'boolean';
  if (kind.kind === 'text') return typeof value === 'string';
  if (kind.kind === 'choice') return kind.of.some((each) => typeof each === typeof value);
  if (kind.kind === 'list') return Array.isArray(value);
  return (
    kind.kind === 'any' ||
    kind.kind === 'given' ||
    (typeof value === 'object' && value !== null && !Array.isArray(value))
  );
}

/** An option's text, its default included. @internal */
export function docOf({ doc, default: standard, defaultDoc }: OptionSpec): string {
  const shown =
    defaultDoc ??
    (standard === undefined ? undefined : typeof standard === 'string' ? standard : JSON.stringify(standard));
  return shown === undefined ? doc : `${doc} Default: ${shown}.`;
}

/** What a table declares to be searched, its options by name. */
export function searchSpaceOf(table: OptionTable): SearchSpace {
  const given: unknown = table;
  const isTable = typeof given === 'object' && given !== null && !Array.isArray(given);
  if (!isTable || !Object.values(given).every((spec: unknown) => typeof spec === 'object' && spec !== null))
    throw invalid('table', 'not a table of options', given, 'a table such as maml.options');
  return Object.fromEntries(Object.entries(table).flatMap(([name, { search }]) => (search ? [[name, search]] : [])));
}
