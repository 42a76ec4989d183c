/** Victims and what is asked of them: started, killed, and looked at afterwards. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import type { SpawnOptions } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../lib/foundation/addon.js';
import { decodeSealed } from '../../lib/files/sealed.js';

const VICTIM = fileURLToPath(new URL('./victim.js', import.meta.url));

/** A folder of this process's own, removed when it ends. */
const root = mkdtempSync(join(tmpdir(), 'innerloop-crash-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));
// A victim may run as another user.
chmodSync(root, 0o755);
let folders = 0;
export function folder(): string {
  const path = join(root, String(++folders));
  mkdirSync(path);
  return path;
}

export interface VictimOptions {
  epochs: number;
  threads?: number;
  width?: number;
  env?: Record<string, string>;
  /** kill -9 so many milliseconds after the training began. */
  killAfter?: number;
  uid?: number;
  /** Called with what the victim prints, as it prints it. */
  onOutput?: (text: string) => void;
}
export interface Outcome {
  how: 'done' | 'killed' | 'refused';
  /** The last epoch that the victim said was done. */
  epoch: number;
  /** Code and message of its error. */
  error: string;
  /** From the begin of the training to the end of the process, in milliseconds. */
  time: number;
}

/** Runs a victim to its end; a crash that was not asked for is a failure. */
export async function run(
  checkpoint: string,
  { epochs, threads = 2, width = 24, env = {}, killAfter, uid, onOutput }: VictimOptions,
): Promise<Outcome> {
  const options: SpawnOptions = {
    env: {
      ...process.env,
      ...(uid !== undefined && { VICTIM_UID: String(uid) }),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  };
  const child = spawn(process.execPath, [VICTIM, checkpoint, String(epochs), String(threads), String(width)], options);
  let [text, problems, begun] = ['', '', 0];
  child.stderr!.on('data', (chunk: Buffer) => (problems += chunk.toString()));
  child.stdout!.on('data', (chunk: Buffer) => {
    text += chunk.toString();
    if (begun === 0) {
      begun = performance.now();
      if (killAfter !== undefined) setTimeout(() => child.kill('SIGKILL'), killAfter);
    }
    onOutput?.(text);
  });
  const [status, signal] = await new Promise<[number | null, string | null]>((done, fail) =>
    child.on('error', fail).on('close', (code, name) => done([code, name])),
  );
  assert.ok(
    status === 0 || status === 3 || signal === 'SIGKILL',
    `the victim ended with ${status ?? signal}: ${problems}`,
  );
  const how = signal === 'SIGKILL' ? 'killed' : status === 3 ? 'refused' : 'done';
  const epoch = Number(/epoch (\d+)(?![\s\S]*epoch \d)/.exec(text)?.[1] ?? 0);
  return {
    how,
    epoch,
    error: how === 'refused' ? text.trim().split('\n').at(-1)! : '',
    time: performance.now() - begun,
  };
}

export interface Files {
  checkpoint: Buffer;
  model: Buffer;
}
export const filesOf = (checkpoint: string): Files => ({
  checkpoint: readFileSync(checkpoint),
  model: readFileSync(`${checkpoint}.model`),
});

/** What a run that nothing interrupts leaves. */
export async function uninterrupted(options: VictimOptions): Promise<Files & { time: number }> {
  const checkpoint = join(folder(), 'run');
  const { how, time } = await run(checkpoint, options);
  assert.equal(how, 'done');
  return { ...filesOf(checkpoint), time };
}

/** The same bytes as the uninterrupted run, and nothing beside them. */
export function assertSame(checkpoint: string, expected: Files, what: string): void {
  const { checkpoint: bytes, model } = filesOf(checkpoint);
  assert.ok(bytes.equals(expected.checkpoint), `${what}: the checkpoint differs`);
  assert.ok(model.equals(expected.model), `${what}: the model differs`);
  const left = readdirSync(join(checkpoint, '..')).sort();
  assert.deepEqual(left, ['run', 'run.model'], `${what}: files were left behind`);
}

/** Epoch of the checkpoint, which must be whole; 0 if there is none. */
export function epochOf(checkpoint: string): number {
  if (!existsSync(checkpoint)) return 0;
  const { metadata } = decodeSealed(readFileSync(checkpoint), checkpoint, '');
  return (JSON.parse(metadata['run']) as { epoch: number }).epoch;
}

/** faults.c as a library to load into a victim, or why there is none. */
export function buildFaults(): { library: string } | { reason: string } {
  if (process.platform !== 'linux') return { reason: 'faults are injected on Linux only' };
  const library = join(root, 'faults.so');
  const compiler = process.env['CC'] ?? 'cc';
  const source = join(packageRoot(), 'test', 'crash', 'faults.c');
  const { status, stderr, error } = spawnSync(compiler, ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  });
  return status === 0
    ? { library }
    : { reason: `${compiler} could not build test/crash/faults.c: ${error?.message ?? stderr}` };
}
