/** What zod found wrong with a configuration, as the one error shape of this package. */
import type * as z from 'zod';
import { invalid } from '../foundation/check.js';
import { InnerloopError, nearest, suggesting } from '../foundation/errors.js';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** The part of a zod schema that says what may stand where. */
interface Node {
  readonly def: {
    type: string;
    innerType?: Node;
    shape?: Record<string, Node>;
    element?: Node;
    valueType?: Node;
    options?: readonly Node[];
    discriminator?: string;
    values?: readonly unknown[];
    entries?: Record<string, string>;
    check?: string;
  };
}

/** The first problem of a configuration. Misspelt options come first: they often cause the others. */
export function configError(schema: z.ZodType, issues: readonly Issue[], value: unknown): InnerloopError {
  const all = issues.flatMap((issue) => flatten(issue, value, []));
  const { issue, path } = all.find((found) => found.issue.code === 'unrecognized_keys') ?? all[0];
  const at = valueAt(value, path);
  const nodes = nodesAt([schema], path, value);
  if (issue.code === 'unrecognized_keys') {
    const known = [...new Set(nodes.flatMap((node) => Object.keys(node.def.shape ?? {})))];
    const key = issue.keys[0];
    return new InnerloopError('UNKNOWN_OPTION', suggesting('no such option', key, known), {
      field: show([...path, key]),
      expected: `one of ${known.join(', ')}`,
    });
  }
  const field = path.length === 0 ? 'config' : show(path);
  const expected = expectation(issue, nodes);
  if (at === undefined) {
    const missing = all.filter((found) => valueAt(value, found.path) === undefined);
    const wanted = missing.flatMap((found) => required(show(found.path), nodesAt([schema], found.path, value)));
    // What is wanted may lie deeper than what is missing.
    const isDeeper = wanted.length > 1 || wanted[0]?.startsWith(`${field}.`) === true;
    return invalid(field, 'missing', at, isDeeper ? `all of: ${wanted.join('; ')}` : expected.text);
  }
  const near = typeof at === 'string' && expected.choices !== undefined ? nearest(at, expected.choices) : undefined;
  return invalid(
    field,
    near === undefined ? 'not valid' : `not one of the choices; did you mean ${near}?`,
    at,
    expected.text,
  );
}

/** Pairs of options of which one is needed: the schema calls both optional. */
const EITHER = [
  ['from', 'sql'],
  ['hidden', 'body'],
] as const;

/** Everything that has to stand at a path, leaf by leaf, so that it can be written at once. */
function required(path: string, nodes: readonly Node[]): string[] {
  const shapes = nodes.map(({ def }) => def.shape);
  if (nodes.length === 0 || shapes.includes(undefined)) return [`${path}: ${alternatives(nodes)}`];
  const first = shapes[0]!;
  const common = Object.keys(first).filter((key) =>
    shapes.every((shape) => shape![key] !== undefined && !isOptional(shape![key])),
  );
  const either = EITHER.filter((pair) => pair.every((key) => key in first));
  return [
    ...either.map(([one, other]) => `${path}.${one}${exampleOf(first[one])} or ${path}.${other}`),
    ...common.flatMap((key) => {
      const below = shapes.map((shape) => shape![key]);
      // A tag has one value in each alternative; what else they share is the same in all.
      const isTag = nodes.length > 1 && below.every(({ def }) => def.type === 'literal');
      return required(`${path}.${key}`, isTag ? below : unwrap(below[0], undefined));
    }),
  ];
}

/** What may stand at one place: the names first, then everything else. */
function alternatives(nodes: readonly Node[]): string {
  const names = nodes.flatMap(choicesOf);
  const others = [...new Set(nodes.filter((node) => choicesOf(node).length === 0).map(kindOf))];
  return [...(names.length > 0 ? [oneOf(names).text] : []), ...others].join(names.length > 0 ? ', or ' : ' or ');
}

const isOptional = ({ def }: Node) => ['optional', 'default', 'prefault'].includes(def.type);

/** Issues inside the alternative of a union that the value was meant for: the one that got furthest. */
function flatten(issue: Issue, root: unknown, prefix: Path): { issue: Issue; path: Path }[] {
  const path = [...prefix, ...issue.path];
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find(
      (issues) =>
        issues.length > 0 &&
        !issues.some((i) => ['invalid_type', 'invalid_value'].includes(i.code) && i.path.length === 0),
    );
    const value = valueAt(root, path);
    if (meant !== undefined && typeof value === 'object' && value !== null)
      return meant.flatMap((i) => flatten(i, root, path));
  }
  return [{ issue, path }];
}

function expectation(issue: Issue, nodes: readonly Node[]): { text: string; choices?: string[] } {
  switch (issue.code) {
    case 'invalid_value':
      return oneOf(issue.values.map(String));
    case 'too_small':
      if (issue.origin === 'string') return { text: 'a non-empty text' };
      return { text: `${noun(issue.origin, nodes)} ${issue.inclusive === false ? '>' : '≥'} ${issue.minimum}` };
    case 'too_big':
      return { text: `${noun(issue.origin, nodes)} ${issue.inclusive === false ? '<' : '≤'} ${issue.maximum}` };
    default: {
      const values = nodes.flatMap(choicesOf);
      if (values.length > 0 && nodes.every((node) => choicesOf(node).length > 0)) return oneOf(values);
      return nodes.length === 0
        ? { text: issue.message }
        : { text: alternatives(nodes), ...(values.length > 0 && { choices: values }) };
    }
  }
}

const oneOf = (choices: string[]) => ({ text: `one of ${choices.join(', ')}`, choices });
const noun = (origin: string, nodes: readonly Node[]) =>
  origin === 'array' ? 'a list of length' : nodes.some(isInteger) ? 'an integer' : 'a number';
const isInteger = ({ def }: Node) => def.type === 'number' && def.check === 'number_format';

function choicesOf({ def }: Node): string[] {
  if (def.type === 'enum') return Object.values(def.entries ?? {});
  return def.type === 'literal' ? (def.values ?? []).map(String) : [];
}

function kindOf(node: Node): string {
  const { def } = node;
  if (def.type === 'array') return `a list${exampleOf(node)}`;
  if (def.type === 'object') return `an object with the fields ${Object.keys(def.shape ?? {}).join(', ')}`;
  if (def.type === 'number') return isInteger(node) ? 'an integer' : 'a number';
  return { string: 'a non-empty text', boolean: 'true or false', record: 'an object' }[def.type] ?? def.type;
}

/** What a schema shows as an example of itself. */
function exampleOf(node: Node): string {
  const [example] = ((node as Partial<z.ZodType>).meta?.()?.examples as unknown[] | undefined) ?? [];
  if (example !== undefined) return ` such as ${JSON.stringify(example)}`;
  return node.def.innerType === undefined ? '' : exampleOf(node.def.innerType);
}

/** Schemas that may stand at a path; of a tagged union, the one that the value's tag names. */
function nodesAt(from: readonly Node[], path: Path, value: unknown): Node[] {
  const nodes = from.flatMap((node) => unwrap(node, value));
  const [key, ...rest] = path;
  if (key === undefined) return nodes;
  const below = nodes.flatMap(({ def }) => {
    const next = def.type === 'object' ? def.shape![String(key)] : def.type === 'array' ? def.element : def.valueType;
    return next === undefined ? [] : [next];
  });
  return nodesAt(below, rest, valueAt(value, [key]));
}

function unwrap(node: Node, value: unknown): Node[] {
  const { innerType, options, discriminator } = node.def;
  if (innerType !== undefined) return unwrap(innerType, value);
  if (options === undefined) return [node];
  if (discriminator !== undefined) {
    const tag = valueAt(value, [discriminator]);
    const tagged = options.filter(({ def }) => def.shape?.[discriminator]?.def.values?.includes(tag));
    if (tagged.length > 0) return tagged;
  }
  return options.flatMap((option) => unwrap(option, value));
}

function valueAt(value: unknown, path: Path): unknown {
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function show(path: Path): string {
  return path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`))
    .join('');
}
