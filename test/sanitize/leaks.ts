/** Memory after many adaptations and trainings: in a process of its own, whose garbage is collected before each look. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface Rounds {
  adaptations: number;
  trainings: number;
}
const WORKER = fileURLToPath(new URL('./leak-worker.js', import.meta.url));
/**
 * Growth of the resident memory that is not a leak: pools of allocators and V8's own. A leak of one adapted task is 4 KB, so 40 MB
 * in 10,000; of one training's store and data some 500 KB, so 50 MB in 100.
 */
const ALLOWED = 20 * 2 ** 20;

/** @returns the growth in bytes from the end of the first tenth, when everything has been used once, to the end */
export async function leaks(rounds: Rounds): Promise<Rounds & { growth: number }> {
  const output = await new Promise<string>((done, fail) =>
    execFile(
      process.execPath,
      ['--expose-gc', WORKER, String(rounds.adaptations), String(rounds.trainings)],
      { encoding: 'utf8' },
      (error, stdout, stderr) => (error === null ? done(stdout) : fail(new Error(`${error.message}\n${stderr}`))),
    ),
  );
  const { first, last } = JSON.parse(output) as { first: number; last: number };
  const growth = last - first;
  assert.ok(
    growth < ALLOWED,
    `${growth} bytes more after ${rounds.adaptations} adaptations and ${rounds.trainings} trainings`,
  );
  return { ...rounds, growth };
}
