/** Where the faults of mutants.mjs are planted, and what should notice them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';

/** The one file below the mutant's folder that has its text once, or what is wrong with it. */
export function placeOf(root, { below, from, suites }) {
  const files = readdirSync(join(root, below), { recursive: true, encoding: 'utf8' })
    .map((file) => join(below, file))
    .filter((file) => /\.(cc|h|inl|ts)$/.test(file));
  const found = files.flatMap((file) =>
    new Array(readFileSync(join(root, file), 'utf8').split(from).length - 1).fill(file),
  );
  if (found.length !== 1) {
    const where = found.length === 0 ? 'nowhere' : `in ${found.join(', ')}`;
    return { problem: `the text that it changes stands ${where} below ${below}, not once: ${from}` };
  }
  const none = suites.filter((suite) => filesOfSuites(root, [suite]).length === 0);
  return none.length > 0 ? { problem: `no suite is called ${none.join(', ')}` } : { file: found[0] };
}

/** The compiled test files of suites, each by the beginning of its path. */
export function filesOfSuites(root, suites) {
  return readdirSync(join(root, 'dist', 'test'), { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll(sep, '/'))
    .filter((name) => name.endsWith('.test.js') && suites.some((suite) => name.startsWith(suite)))
    .sort();
}
