/** Finds in DuckDB's syntax tree of a SELECT the text files that it reads and the columns that its results are made of. */
import type { FileOptions } from './table-source.js';

export interface FileCall {
  path: string;
  isJson: boolean;
  /** Whether it is a call such as `read_csv(…)`; otherwise the file's bare name stands after FROM. */
  isFunction: boolean;
  /** The byte at which it begins in the statement. */
  location: number;
  /** Whether each of its parameters has a counterpart in `FileOptions`. */
  isPlain: boolean;
  /** Whether the call asks for every column as text (`all_varchar = true`). */
  isText: boolean;
  options: FileOptions;
  /** The names of the call's named parameters. */
  names: string[];
}

type Node = Record<string, unknown>;

const READER = /^read_(csv|csv_auto|json|json_auto|ndjson|ndjson_auto)$/i;
const TEXT_FILE = /\.(csv|tsv|psv|txt|json|ndjson|jsonl)(\.gz|\.zst)?$/i;
/** The option that each parameter of `read_csv` corresponds to. */
const PARAMETERS: Readonly<Record<string, keyof FileOptions>> = {
  delim: 'delimiter',
  sep: 'delimiter',
  quote: 'quote',
  escape: 'escape',
  header: 'header',
  names: 'columns',
  column_names: 'columns',
  encoding: 'encoding',
};

function* nodes(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const entry of value) yield* nodes(entry);
  else if (typeof value === 'object' && value !== null) {
    yield value as Node;
    for (const entry of Object.values(value)) yield* nodes(entry);
  }
}

/** Every text file that the tree reads. */
export function filesOf(tree: unknown): FileCall[] {
  const calls: FileCall[] = [];
  for (const node of nodes(tree)) {
    const location = Number(node['query_location']);
    if (node['type'] === 'BASE_TABLE' && node['schema_name'] === '' && TEXT_FILE.test(String(node['table_name']))) {
      const path = String(node['table_name']);
      calls.push({
        path,
        isJson: isJson(path),
        isFunction: false,
        location,
        isPlain: true,
        isText: false,
        options: {},
        names: [],
      });
    } else if (node['type'] === 'TABLE_FUNCTION') {
      const call = functionCall(node['function'] as Node);
      if (call !== undefined) calls.push(call);
    }
  }
  return calls;
}

const isJson = (path: string): boolean => /\.(json|ndjson|jsonl)(\.gz|\.zst)?$/i.test(path);

function functionCall(call: Node): FileCall | undefined {
  const location = Number(call['query_location']);
  const name = String(call['function_name']);
  if (!READER.test(name)) return undefined;
  let path: string | undefined;
  let isPlain = true;
  let isText = false;
  const options: Record<string, unknown> = {};
  const names: string[] = [];
  for (const child of call['children'] as Node[]) {
    const parameter = parameterOf(child);
    if (parameter === undefined) {
      const value = constantOf(child);
      if (typeof value === 'string') path = value;
      else isPlain = false;
      continue;
    }
    const [key, value] = parameter;
    names.push(key);
    const option = PARAMETERS[key];
    if (key === 'all_varchar' && value === true) isText = true;
    else if (option !== undefined && value !== undefined) options[option] = value;
    else if (key !== 'sample_size' && !(key === 'auto_detect' && value === true)) isPlain = false;
  }
  return {
    path: path ?? '',
    isJson: /json/i.test(name),
    isFunction: true,
    location,
    isPlain: isPlain && path !== undefined,
    isText,
    options,
    names,
  };
}

/** A named parameter, `name = value` or `name := value`; undefined for a positional one. */
function parameterOf(node: Node): [string, unknown] | undefined {
  if (node['type'] === 'COMPARE_EQUAL') {
    const left = node['left'] as Node;
    if (left['type'] === 'COLUMN_REF')
      return [(left['column_names'] as string[]).join('.').toLowerCase(), constantOf(node['right'] as Node)];
  }
  const { alias } = node;
  return typeof alias !== 'string' || alias === '' ? undefined : [alias.toLowerCase(), constantOf(node)];
}

/** The value of a constant text, boolean or list of texts; undefined for any other expression. */
function constantOf(node: Node): unknown {
  if (node['type'] === 'VALUE_CONSTANT') {
    const value = node['value'] as Node;
    return value['is_null'] === true ? undefined : value['value'];
  }
  // The syntax tree has true and false as casts of 't' and 'f'.
  if (node['type'] === 'OPERATOR_CAST') {
    const value = constantOf(node['child'] as Node);
    return value === 't' || value === 'true' ? true : value === 'f' || value === 'false' ? false : undefined;
  }
  if (node['function_name'] === 'list_value' || node['type'] === 'ARRAY_CONSTRUCTOR') {
    const values = (node['children'] as Node[]).map(constantOf);
    return values.every((value) => typeof value === 'string') ? values : undefined;
  }
  return undefined;
}

/** Functions whose result contains the text of their arguments, or a part of it. */
const KEEPS =
  /^(\|\||concat|concat_ws|ifnull|nullif|l?trim|rtrim|lower|upper|substr|substring|left|right|replace|regexp_replace|regexp_extract|split_part|lpad|rpad|format|printf|any_value|first|last|min|max|mode|arg_min|arg_max|list|array_agg|string_agg|list_value|unnest|string_split|str_split|regexp_split_to_array)$/i;

/** The parts of an expression whose text may be in its value; what it only compares, counts or computes with is left out. */
function* parts(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const entry of value) yield* parts(entry);
  else if (typeof value === 'object' && value !== null) {
    const node = value as Node;
    if (/^(COMPARE|CONJUNCTION)_/.test(String(node['type']))) return;
    if (typeof node['function_name'] === 'string' && !KEEPS.test(node['function_name'])) return;
    yield node;
    for (const [key, entry] of Object.entries(node)) if (key !== 'when_expr') yield* parts(entry);
  }
}

/** The file columns that the named results may be made of: the names themselves, and those before AS at any step to them. */
export function sourcesOf(tree: unknown, results: readonly string[]): Set<string> {
  const found = new Set(results);
  const aliased = [...nodes(tree)].filter(
    (node) => typeof node['alias'] === 'string' && node['alias'] !== '' && 'class' in node,
  );
  for (let size = -1; size !== found.size;) {
    size = found.size;
    for (const node of aliased) {
      if (!found.has(node['alias'] as string)) continue;
      for (const inner of parts(node))
        if (inner['type'] === 'COLUMN_REF') found.add((inner['column_names'] as string[]).at(-1)!);
    }
  }
  return found;
}

/** The first byte of the call that begins at `start`, and the byte after its closing bracket. */
export function callOf(statement: Buffer, start: number): [number, number] | undefined {
  const text = statement.toString('latin1');
  const name = /^\s*("[^"]*"|\w+)\s*\(/.exec(text.slice(start));
  if (name === null) return undefined;
  let depth = 0;
  for (let i = start + name[0].length - 1; i < text.length; i++) {
    const c = text[i];
    if (c === "'" || c === '"') {
      for (i++; i < text.length && (text[i] !== c || text[i + 1] === c); i++) if (text[i] === c) i++;
    } else if (text.startsWith('--', i)) {
      while (i < text.length && text[i] !== '\n') i++;
    } else if (text.startsWith('/*', i)) i = text.indexOf('*/', i) + 1;
    else if (c === '(') depth++;
    else if (c === ')' && --depth === 0) return [start, i + 1];
  }
  return undefined;
}
