/** Runs targets for a time and says what was tried. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));
const GARBAGE = fileURLToPath(new URL('../fixtures/native-garbage.js', import.meta.url));
/** Variables for the children: a sanitizer's, say. */
export const environment: Record<string, string> = {};
/** Grace for a case that was begun in time. */
const HANG = 60;

/** What a child printed; a crash, a failure or a hang is thrown with what is needed to repeat it. */
async function child(args: string[], seconds: number, where: () => string): Promise<string> {
  const process_ = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  let [out, err] = ['', ''];
  process_.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  process_.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const timer = setTimeout(() => process_.kill('SIGKILL'), 1000 * (seconds + HANG));
  const [status, signal] = await new Promise<[number | null, string | null]>((done) =>
    process_.on('close', (code, name) => done([code, name])),
  );
  clearTimeout(timer);
  const how = signal === 'SIGKILL' ? 'hung' : `ended with ${status ?? signal}`;
  assert.equal(status, 0, `${how}; repeat with: node ${where()}\n${err.slice(-4000)}`);
  return out;
}

export async function fuzz(
  target: string,
  seconds: number,
  seed: number,
): Promise<{ cases: number; accepted: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'innerloop-fuzz-'));
  const progress = join(folder, 'progress');
  try {
    const where = () => ['dist/test/fuzz/worker.js', target, seed, readFileSync(progress, 'utf8').trim(), 0].join(' ');
    return JSON.parse(await child([WORKER, target, String(seed), '0', String(seconds), progress], seconds, where)) as {
      cases: number;
      accepted: number;
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Every operation of the addon with hostile arguments: handles of other kinds, wrong types and sizes, strange buffers. */
export async function fuzzNative(seconds: number, seed: number): Promise<{ cases: number; accepted: number }> {
  const total = { cases: 0, accepted: 0 };
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; round === 0 || performance.now() < end; round++) {
    const args = ['3000', String(1000 * seed + round)];
    const { calls, accepted } = JSON.parse(
      await child([GARBAGE, ...args], 0, () => ['dist/test/fixtures/native-garbage.js', ...args].join(' ')),
    ) as { calls: number; accepted: number };
    total.cases += calls;
    total.accepted += accepted;
  }
  return total;
}
