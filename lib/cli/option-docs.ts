/**
 * Writes what follows from the tables of options: the documented types that editors show, and the reference in `docs/`. Run by
 * `npm run options`; a test checks that what is committed is what this writes.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../foundation/addon.js';
import { docOf } from '../foundation/options.js';
import type { OptionKind, OptionSpec, OptionTable } from '../foundation/options.js';
import { OPTION_FILES } from './option-tables.js';
import type { Documented, OptionFile } from './option-file.js';

const WIDTH = 130;
const REFERENCE = 'docs/reference/options.md';

/** Texts by path. */
export function optionDocuments(): Record<string, string> {
  return {
    ...Object.fromEntries(OPTION_FILES.map((file) => [file.path, typesFile(file)])),
    [REFERENCE]: reference(),
  };
}

// ------------------------------------------------------------------------------------------------------------ types

function typesFile({ imports, types }: OptionFile): string {
  const lines = ['/** Written from the tables of options by `npm run options`: change those, not this file. */'];
  for (const [from, names] of Object.entries(imports))
    lines.push(`import type { ${names.join(', ')} } from '${from}';`);
  // The file's first table is the base of those that have its members.
  const [base] = types.filter((type) => 'table' in type);
  return `${[...lines, ...types.flatMap((type) => ['', ...declaration(type, type === base ? undefined : base)])].join('\n')}\n`;
}

function declaration(type: Documented, base?: Base): string[] {
  if ('table' in type) return interfaceOf(type.name, type.table, type.doc);
  if ('kind' in type) return [...comment(type.doc, ''), ...aliasOf(type.name, type.kind)];
  const names = Object.keys(type.of).map(type.nameOf);
  const each = Object.entries(type.of).flatMap(([value, table]) => [
    ...interfaceOf(
      type.nameOf(value),
      table,
      'tag' in type ? type.docs?.[value] : `Options of \`${value}\`.`,
      'tag' in type ? `${type.tag}: '${value}'` : undefined,
      base,
    ),
    '',
  ]);
  if ('tag' in type) return [...each, ...comment(type.doc, ''), ...joined(`export type ${type.union} =`, names)];
  const members = Object.keys(type.of).map((value, i) => `  ${value}: ${names[i]};`);
  return [...each, ...comment(type.doc, ''), `export interface ${type.name} {`, ...members, '}'];
}

interface Base {
  name: string;
  table: OptionTable;
}

function interfaceOf(name: string, table: OptionTable, doc: string | undefined, tag?: string, base?: Base): string[] {
  const shared = base === undefined ? [] : sharedWith(base.table, table);
  const parent = shared.length < 2 ? undefined : parentOf(base!, shared);
  const rest = parent === undefined ? table : without(table, shared);
  const members = membersOf(rest, '  ');
  const head = `export interface ${name} ${parent === undefined ? '' : `extends ${parent} `}{`;
  const lines = [head, ...(tag === undefined ? [] : [`  ${tag};`]), ...members, '}'];
  // An interface without members would take anything.
  const isEmpty = members.length === 0 && tag === undefined;
  const text = isEmpty ? [`export type ${name} = ${parent ?? 'Record<never, never>'};`] : lines;
  return [...(doc === undefined ? [] : comment(doc, '')), ...text];
}

/** The names of the members that are written alike in both tables. */
function sharedWith(base: OptionTable, table: OptionTable): string[] {
  const written = (of: OptionTable, name: string) => membersOf({ [name]: of[name] }, '').join('\n');
  return Object.keys(base).filter((name) => name in table && written(base, name) === written(table, name));
}

function parentOf({ name, table }: Base, shared: readonly string[]): string {
  if (shared.length === Object.keys(table).length) return name;
  return `Pick<${name}, ${shared.map(literal).join(' | ')}>`;
}

const without = (table: OptionTable, names: readonly string[]): OptionTable =>
  Object.fromEntries(Object.entries(table).filter(([name]) => !names.includes(name)));

function membersOf(table: OptionTable, indent: string): string[] {
  return Object.entries(table).flatMap(([name, spec]) => [
    ...comment(docOf(spec), indent),
    `${indent}${name}${spec.required ? '' : '?'}: ${spec.named ?? typeOf(spec, indent)};`,
  ]);
}

/** The alternatives of a type, one of them a line. */
function aliasOf(name: string, kind: OptionKind): string[] {
  const alternatives = kind.kind === 'any' ? kind.of : [kind];
  return joined(
    `export type ${name} =`,
    alternatives.flatMap((each) => (each.kind === 'choice' ? each.of.map(literal) : alternativesOf(each, '      '))),
  );
}

function joined(head: string, alternatives: readonly string[]): string[] {
  const line = `${head} ${alternatives.join(' | ')};`;
  if (line.length <= 120 && !line.includes('\n')) return [line];
  return [head, ...alternatives.map((text, i) => `  | ${text}${i === alternatives.length - 1 ? ';' : ''}`)];
}

const literal = (value: string | number) => (typeof value === 'string' ? `'${value}'` : String(value));

/** The type of a kind as TypeScript writes it. */
function typeOf(kind: OptionKind, indent: string): string {
  return alternativesOf(kind, indent).join(' | ');
}

function alternativesOf(kind: OptionKind, indent: string): string[] {
  switch (kind.kind) {
    case 'integer':
    case 'number':
      return ['number'];
    case 'boolean':
      return ['boolean'];
    case 'text':
      return ['string'];
    case 'choice':
      return kind.of.map(literal);
    case 'list': {
      const of = alternativesOf(kind.of, indent);
      return [`${kind.isReadonly ? 'readonly ' : ''}${of.length > 1 ? `(${of.join(' | ')})` : of[0]}[]`];
    }
    case 'record':
      return [`Record<string, ${typeOf(kind.of, indent)}>`];
    case 'object':
      return [objectOf(kind.fields, indent)];
    case 'variant':
      return Object.entries(kind.of).map(([value, table]) =>
        objectOf(table, indent, `${kind.tag ?? 'kind'}: '${value}'`),
      );
    case 'any':
      return kind.of.flatMap((each) => alternativesOf(each, indent));
    case 'given':
      return [kind.type];
  }
}

function objectOf(table: OptionTable, indent: string, tag?: string): string {
  const inner = `${indent}  `;
  const members = [...(tag === undefined ? [] : [`${inner}${tag};`]), ...membersOf(table, inner)];
  return members.length === 0 || (tag !== undefined && members.length === 1)
    ? `{ ${tag ?? ''} }`
    : `{\n${members.join('\n')}\n${indent}}`;
}

function comment(text: string, indent: string): string[] {
  const single = `${indent}/** ${text} */`;
  if (single.length <= WIDTH) return [single];
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && indent.length + 4 + last.length + word.length < WIDTH)
      lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`];
}

// -------------------------------------------------------------------------------------------------------- reference

function reference(): string {
  const lines = [
    '# Options',
    '',
    'Every option of the library and its default. Written from the tables that the library checks against, by `npm run options`; a',
    'configuration file has the same options, with the differences that `lib/cli/config.schema.json` states.',
  ];
  for (const { title, types } of OPTION_FILES) {
    lines.push('', `## ${title}`);
    for (const type of types) lines.push(...section(type));
  }
  // What editors follow to a type leads to its section here.
  const text = lines
    .join('\n')
    .replaceAll(/\{@link (\w+)\}/g, (_, name: string) => `[${name}](#${name.toLowerCase()})`);
  return `${text}\n`;
}

function section(type: Documented): string[] {
  if ('table' in type) return ['', `### ${type.name}`, '', type.doc, ...rows(type.table)];
  if ('kind' in type)
    return ['', `### ${type.name}`, '', `${type.doc} ${capitalised(wordsOf(type.kind))}.`, ...nested(type.kind)];
  const parts = Object.entries(type.of).flatMap(([value, table]) => [
    '',
    `### ${'tag' in type ? `${type.tag}: '${value}'` : value}`,
    ...('tag' in type && type.docs !== undefined ? ['', type.docs[value]] : []),
    ...rows(table),
  ]);
  return ['', type.doc, ...parts];
}

function rows(table: OptionTable): string[] {
  if (Object.keys(table).length === 0) return ['', 'No options.'];
  return [
    '',
    '| option | values | default | meaning |',
    '| --- | --- | --- | --- |',
    ...Object.entries(table).flatMap(([name, spec]) => rowsOf(name, spec)),
  ];
}

/** The row of an option, and those of the fields that it has in turn. */
function rowsOf(name: string, spec: OptionSpec): string[] {
  const values = spec.named === undefined ? wordsOf(spec) : `\`${spec.named}\``;
  const row = `| \`${name}\` | ${cell(values)} | ${cell(spec.required ? 'required' : standardOf(spec))} | ${cell(spec.doc)} |`;
  if (spec.named !== undefined && spec.named !== 'HideIds') return [row];
  return [row, ...fieldsOf(spec).flatMap(([field, each]) => rowsOf(`${name}.${field}`, each))];
}

/** The fields of objects and variants within a kind. */
function fieldsOf(kind: OptionKind): [string, OptionSpec][] {
  if (kind.kind === 'object') return Object.entries(kind.fields);
  if (kind.kind === 'variant') return Object.values(kind.of).flatMap((table) => Object.entries(table));
  return kind.kind === 'any' ? kind.of.flatMap(fieldsOf) : [];
}

const nested = (kind: OptionKind): string[] => {
  const fields = fieldsOf(kind);
  return fields.length === 0
    ? []
    : [
        '',
        '| field | values | default | meaning |',
        '| --- | --- | --- | --- |',
        ...fields.flatMap(([name, spec]) => rowsOf(name, spec)),
      ];
};

function standardOf({ default: standard, defaultDoc }: OptionSpec): string {
  return defaultDoc ?? (standard === undefined ? '' : `\`${JSON.stringify(standard).replaceAll('"', "'")}\``);
}

/** What values a kind takes, in words. */
function wordsOf(kind: OptionKind): string {
  switch (kind.kind) {
    case 'integer':
      return kind.max === undefined ? `integer ≥ ${kind.min}` : `integer from ${kind.min} to ${kind.max}`;
    case 'number': {
      const low = kind.above !== undefined ? ` > ${kind.above}` : kind.min === undefined ? '' : ` ≥ ${kind.min}`;
      return `number${low}${kind.fraction ? ', < 1' : kind.max === undefined ? '' : `, ≤ ${kind.max}`}`;
    }
    case 'boolean':
      return '`true`, `false`';
    case 'text':
      return 'text';
    case 'choice':
      return kind.of.map((each) => `\`${literal(each)}\``).join(', ');
    case 'list':
      return `list of ${kind.what}`;
    case 'record':
      return kind.what;
    case 'object':
      return `\`{ ${Object.keys(kind.fields).join(', ')} }\``;
    case 'variant':
      return Object.entries(kind.of)
        .map(([value, table]) => `\`{ ${[`${kind.tag ?? 'kind'}: '${value}'`, ...Object.keys(table)].join(', ')} }\``)
        .join(', ');
    case 'any':
      return kind.of.map(wordsOf).join(', ');
    case 'given':
      return `\`${kind.type}\` (in code alone)`;
  }
}

const cell = (text: string) => text.replaceAll('|', '\\|');
const capitalised = (text: string) => text[0].toUpperCase() + text.slice(1);

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(optionDocuments())) {
    const file = join(packageRoot(), path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
