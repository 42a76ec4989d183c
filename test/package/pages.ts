/**
 * The code blocks of a page, run as a reader would: in a folder where the package is installed, beside the bundled ratings as
 * `ratings.csv` and `movies.csv`. Used by `npm test` on the checkout and by the smoke test on the packed tarball.
 *
 *     js, ts       blocks are one program; one that begins with `import` begins a new one
 *     sh           every line, by the shell; installing is left out, since it has been done
 *     json, jsonc  must be a configuration's JSON; the program or file of the line `<!-- file: NAME -->` before a block is written
 *     text         what the blocks before it printed: the same words, numbers within what instruction sets may differ by;
 *                  a line of … stands for any lines
 *     foreign      (second word, as in `js foreign`) another library's code, shown for comparison and not run
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transform } from 'esbuild';

export interface Block {
  line: number;
  language: string;
  info: string;
  file: string | undefined;
  code: string;
}
/** A program in JavaScript, a list of commands, or a file to write; `printed` is what it has to print. */
export interface Step {
  kind: 'program' | 'commands' | 'file';
  line: number;
  code: string;
  file: string | undefined;
  printed: string | undefined;
}

const FENCE = /^```(\w*)[ \t]*(.*)\n([\s\S]*?)^```[ \t]*$/gm;
const FILE = /<!-- file: (\S+) -->\s*$/;
/** Installing is not run again; what builds from source takes minutes and has tests of its own. */
const INSTALLS = /^(npm (install|i|ci|start|test|run)\b|npx cmake-js|pnpm|yarn|git clone|cd\b)/;

export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(FENCE)].map(({ 1: language, 2: info, 3: code, index }) => ({
    line: markdown.slice(0, index).split('\n').length,
    language,
    info: info.trim(),
    file: FILE.exec(markdown.slice(0, index))?.[1],
    code,
  }));
}

export async function stepsOf(markdown: string): Promise<Step[]> {
  const steps: Step[] = [];
  for (const { language, info, line, file, code } of blocksOf(markdown)) {
    if (info === 'foreign') continue;
    const last = steps.at(-1);
    if (language === 'js' || language === 'ts') {
      const source = language === 'ts' ? (await transform(code, { loader: 'ts' })).code : code;
      const goesOn = !/^import\b/.test(code) && last?.kind === 'program';
      if (goesOn) last.code += source;
      else steps.push({ kind: 'program', line, code: source, file, printed: undefined });
    } else if (language === 'sh') {
      const lines = code.split('\n').map((text) => text.replace(/\s+#.*$/, '').trim());
      const commands = lines.filter((text) => text !== '' && !text.startsWith('#') && !INSTALLS.test(text));
      if (commands.length > 0)
        steps.push({ kind: 'commands', line, code: commands.join('\n'), file, printed: undefined });
    } else if (language === 'json' || language === 'jsonc') {
      if (file === undefined) JSON.parse(code);
      else steps.push({ kind: 'file', line, code, file, printed: undefined });
    } else if (language === 'text') {
      assert.ok(last !== undefined && last.kind !== 'file', `line ${line}: nothing before it printed this`);
      last.printed = (last.printed ?? '') + code;
    } else assert.fail(`line ${line}: blocks of ${language === '' ? 'no language' : language} are not run`);
  }
  return steps;
}

/** Whether two pages do and show the same, whatever their comments say. */
export async function areSame(steps: Step[], others: Step[]): Promise<boolean> {
  const bare = async ({ kind, code, file, printed }: Step) => [
    kind,
    kind === 'program' ? (await transform(code, { minifyWhitespace: true })).code : code,
    file,
    printed,
  ];
  const [a, b] = await Promise.all([steps, others].map((list) => Promise.all(list.map(bare))));
  return JSON.stringify(a) === JSON.stringify(b);
}

/** An empty project in `folder` with the package at `root` installed, and the bundled data. */
export function prepare(folder: string, root: string, command: string): void {
  mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
  symlinkSync(root, join(folder, 'node_modules', 'innerloop'), 'junction');
  const bin = join(folder, 'node_modules', '.bin', 'innerloop');
  writeFileSync(bin, `#!/bin/sh\nexec "${process.execPath}" "${command}" "$@"\n`);
  chmodSync(bin, 0o755);
  writeFileSync(join(folder, 'package.json'), '{ "name": "reader", "private": true, "type": "module" }\n');
  for (const name of ['ratings.csv', 'movies.csv'])
    copyFileSync(join(root, 'data', 'ml-latest-small', name), join(folder, name));
}

/** @throws with what was printed, where a step fails or prints something else than the page says */
export function runStep(step: Step, folder: string): void {
  if (step.kind === 'file') {
    writeFileSync(join(folder, step.file!), step.code);
    return;
  }
  const program = join(folder, step.file ?? `line-${step.line}.mjs`);
  if (step.kind === 'program') writeFileSync(program, step.code);
  const [command, args] =
    step.kind === 'program'
      ? [process.execPath, [program]]
      : ['sh', ['-euc', step.code.replaceAll(/^npx /gm, 'npx --no ')]];
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: 600_000,
    maxBuffer: 1 << 26,
  });
  assert.equal(status, 0, `line ${step.line}: ended with ${status}\n${stdout.slice(-1000)}\n${stderr.slice(-3000)}`);
  if (step.printed === undefined) return;
  const difference = differs(step.printed, stdout);
  assert.equal(difference, undefined, `line ${step.line}: ${difference}\nprinted:\n${stdout.slice(-4000)}`);
}

const NUMBER = /-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g;
/** What rounding in another order, magnified by training, may change; the digits of a page are for its reader. */
const TOLERANCE = 0.03;

/** What a page shows and was printed otherwise; undefined if nothing. */
export function differs(shown: string, printed: string): string | undefined {
  const lines = linesOf(printed);
  let at = 0;
  let isGap = false;
  for (const line of linesOf(shown)) {
    if (line === '…') {
      isGap = true;
      continue;
    }
    const found = isGap ? lines.findIndex((other, k) => k >= at && isAlike(line, other)) : at;
    if (found < 0 || found >= lines.length || !isAlike(line, lines[found])) return `not printed: ${line}`;
    at = found + 1;
    isGap = false;
  }
  return isGap || at === lines.length ? undefined : `not shown: ${lines[at]}`;
}

const linesOf = (text: string) =>
  text
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replaceAll(/[ \t]+/g, ' ')
        .replaceAll(/-{3,}/g, '---'),
    )
    .filter((line) => line !== '');

function isAlike(a: string, b: string): boolean {
  if (a.replaceAll(NUMBER, '#') !== b.replaceAll(NUMBER, '#')) return false;
  const [left, right] = [a, b].map((text) => (text.match(NUMBER) ?? []).map(Number));
  return left.every((x, k) => Math.abs(x - right[k]) <= TOLERANCE * Math.max(1, Math.abs(x)));
}
