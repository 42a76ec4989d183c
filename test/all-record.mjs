/** Prints of each step of `npm run test:all` on which commit it last passed, by the record that the steps leave in test/all.json. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const file = join(here, 'all.json');
const record = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
const steps = readdirSync(join(here, 'all')).map((name) => name.replace(/\.mjs$/, ''));
for (const step of steps.sort()) {
  if (record[step] === undefined) {
    console.log(`test:all: ${step} has no record of having passed`);
    continue;
  }
  const { commit, date, seconds, reasons } = record[step];
  const [hash] = commit.split(' ');
  const since = spawnSync('git', ['rev-list', '--count', `${hash}..HEAD`], { cwd: here, encoding: 'utf8' });
  const ago = since.status === 0 ? `, ${since.stdout.trim()} commits ago` : '';
  const left = reasons.length === 0 ? '' : `; not tried: ${reasons.join('; ')}`;
  console.log(
    `test:all: ${step} last passed on ${commit.replace(hash, hash.slice(0, 8))}, ${date}${ago}, in ${seconds} s${left}`,
  );
}
