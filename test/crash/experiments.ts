/**
 * What must hold whatever happens to a training run: an epoch that was reported is never lost, the checkpoint is whole at
 * every instant, and the run that goes on ends with the bytes of one that nothing interrupted. Each experiment returns what
 * it tried; one that cannot be made here returns why.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { random } from '../../lib/foundation/random.js';
import { assertSame, buildFaults, epochOf, filesOf, folder, run, uninterrupted } from './victims.js';
import type { Outcome } from './victims.js';

export type Report = { counts: Record<string, number> } | { skipped: string };
export interface Scale {
  /** How many random kills. */
  kills: number;
  /** Of the system calls at which a victim can die, try each so-many-th. */
  stride: number;
  seed: number;
}

const EPOCHS = 12;
/** Short: for the experiments that try every system call. */
const FEW = 2;

/** kill -9 at random instants, the resumed run killed again, until one gets through; then from the start. */
export async function randomKills({ kills, seed }: Scale): Promise<Report> {
  const expected = await uninterrupted({ epochs: EPOCHS });
  const counts = {
    kills: 0,
    'runs to the end': 0,
    'temporary files left by a kill': 0,
    'kills before the first epoch': 0,
  };
  for (let history = 0; counts.kills < kills; history++) {
    const checkpoint = join(folder(), 'run');
    const stream = random(seed, 'kill', history);
    for (let epoch = 0; ;) {
      // The last kills of a history may come too late: that is its end. Threads change nothing, so they change.
      const outcome = await run(checkpoint, {
        epochs: EPOCHS,
        threads: 1 + stream.below(3),
        killAfter: stream.uniform() * expected.time,
      });
      const kept = epochOf(checkpoint);
      assert.ok(
        kept >= Math.max(epoch, outcome.epoch),
        `epoch ${Math.max(epoch, outcome.epoch)} was reported, ${kept} is kept`,
      );
      epoch = kept;
      if (outcome.how === 'done') break;
      assert.equal(outcome.how, 'killed');
      counts.kills++;
      if (kept === 0) counts['kills before the first epoch']++;
      if (strays(checkpoint).length > 0) counts['temporary files left by a kill']++;
    }
    assertSame(checkpoint, expected, `history ${history}`);
    counts['runs to the end']++;
  }
  return { counts };
}

const strays = (checkpoint: string) => readdirSync(join(checkpoint, '..')).filter((name) => name.endsWith('.tmp'));

/** kill -9 before every system call that changes the folder, and half way through every write. */
export async function killAtEveryCall({ stride, seed }: Scale): Promise<Report> {
  const faults = buildFaults();
  if ('reason' in faults) return { skipped: faults.reason };
  const expected = await uninterrupted({ epochs: FEW });
  const log = await traceOf(faults.library);
  assertOrdered(log);
  // The calls that take the lock come first.
  const locking = log.findIndex((line) => /^create .*\/\.run\.\d+\./.test(line));
  assert.ok(locking > 0, log.join('\n'));
  const counts: Record<string, number> = {
    'system calls of a run': log.length,
    'kills before a call': 0,
    'kills within a write': 0,
    'failed syncs': 0,
    'full disks': 0,
  };
  const offset = random(seed, 'stride').below(stride);
  for (const [i, call] of log.entries()) {
    if ((i + offset) % stride !== 0) continue;
    const write = call.startsWith('write');
    await interruptedBy(faults.library, 'before', i + 1, expected);
    counts['kills before a call']++;
    if (write) {
      await interruptedBy(faults.library, 'half', i + 1, expected);
      await interruptedBy(faults.library, 'full', i + 1, expected, /^IO .*ENOSPC.*free space/);
      counts['kills within a write']++;
      counts['full disks']++;
    }
    if (call.startsWith('sync')) {
      await interruptedBy(faults.library, 'sync', i + 1, expected, /^IO .*EIO.*disk/);
      counts['failed syncs']++;
    }
  }
  // Those who take over the lock of a dead process, and die while they do.
  counts['kills of a successor'] = 0;
  for (let at = 1 + offset; at <= 2 * locking; at += stride) {
    const checkpoint = join(folder(), 'run');
    for (const n of [locking, at]) {
      const env = environment(faults.library, checkpoint, { FAULT_KIND: 'before', FAULT_AT: String(n) });
      assert.equal((await run(checkpoint, { epochs: FEW, env })).how, 'killed');
    }
    counts['kills of a successor']++;
    assert.equal((await run(checkpoint, { epochs: FEW })).how, 'done');
    assertSame(checkpoint, expected, `a successor that died at call ${at}`);
  }
  return { counts };
}

const environment = (library: string, checkpoint: string, more: Record<string, string>) => ({
  LD_PRELOAD: library,
  FAULT_FOLDER: join(checkpoint, '..'),
  ...more,
});

/** The calls of an undisturbed run, as the log of faults.c has them. */
async function traceOf(library: string): Promise<string[]> {
  const checkpoint = join(folder(), 'run');
  const log = join(folder(), 'log');
  assert.equal(
    (await run(checkpoint, { epochs: FEW, env: environment(library, checkpoint, { FAULT_LOG: log }) })).how,
    'done',
  );
  return readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.trim());
}

/** A new file is on the disk before it takes the old one's name, and the name is on the disk before anyone is told. */
function assertOrdered(log: readonly string[]): void {
  const renames = log.flatMap((line, i) => (/^rename .*\/run(\.model)?$/.test(line) ? [i] : []));
  assert.equal(renames.length, FEW + 1, log.join('\n'));
  for (const at of renames) {
    const created = log.slice(0, at).findLastIndex((line) => line.startsWith('create '));
    assert.ok(created >= 0 && log.slice(created, at).some((line) => line.startsWith('write')));
    assert.equal(log[at - 1], 'sync', 'renamed before it was synced');
    assert.match(log[at + 1] ?? '', /^(open|folder) /);
    assert.equal(log[at + 2], 'sync', 'the folder was not synced');
  }
}

/** One fault at one call, then an undisturbed run to the end. */
async function interruptedBy(
  library: string,
  kind: string,
  at: number,
  expected: Parameters<typeof assertSame>[1],
  error?: RegExp,
): Promise<void> {
  const checkpoint = join(folder(), 'run');
  const what = `${kind} at call ${at}`;
  const outcome = await run(checkpoint, {
    epochs: FEW,
    env: environment(library, checkpoint, { FAULT_KIND: kind, FAULT_AT: String(at) }),
  });
  if (error === undefined) assert.equal(outcome.how, 'killed', what);
  else refusedWith(outcome, error, what);
  assert.ok(epochOf(checkpoint) >= outcome.epoch, what);
  if (error !== undefined) assert.deepEqual(strays(checkpoint), [], what);
  assert.equal((await run(checkpoint, { epochs: FEW })).how, 'done', what);
  assertSame(checkpoint, expected, what);
}

function refusedWith({ how, error }: Outcome, pattern: RegExp, what: string): void {
  assert.equal(how, 'refused', `${what}: the run was not refused`);
  assert.match(error, pattern, what);
}

/** A real file system that fills up, and one that turns read-only, in the middle of a run. */
export async function realDisk(): Promise<Report> {
  const mounted = folder();
  const mount = (...options: string[]) =>
    spawnSync('mount', ['-t', 'tmpfs', ...options, 'tmpfs', mounted], { encoding: 'utf8' });
  const made = mount('-o', 'size=4m');
  if (made.status !== 0)
    return { skipped: `a small file system cannot be mounted: ${made.error?.message ?? made.stderr.trim()}` };
  const counts = { 'full disks': 0, 'file systems turned read-only': 0 };
  try {
    const expected = await uninterrupted({ epochs: EPOCHS });
    const checkpoint = join(mounted, 'run');
    const ballast = join(mounted, 'ballast');
    /** That a write fails as it should, which shows that the disturbance has happened. */
    const prove = (code: string) => {
      const probe = join(mounted, 'probe');
      assert.throws(() => writeFileSync(probe, Buffer.alloc(1 << 16)), { code }, `${code} was not brought about`);
      if (code !== 'EROFS') rmSync(probe, { force: true });
    };
    const remount = (how: string) => {
      const { status, stderr } = mount('-o', `remount,${how}`);
      assert.equal(status, 0, `the file system was not turned ${how}: ${stderr}`);
    };
    const fill = () => {
      for (let size = 1 << 20; size >= 256; size >>= 1) {
        try {
          for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: 'a' });
        } catch {
          // Smaller pieces fill what is left.
        }
      }
      prove('ENOSPC');
    };
    for (const [what, disturb, repair, error] of [
      ['full disks', fill, () => rmSync(ballast), /^IO .*ENOSPC.*free space/],
      [
        'file systems turned read-only',
        () => {
          remount('ro');
          prove('EROFS');
        },
        () => remount('rw'),
        /^IO .*(EROFS|read-only).*can be written/,
      ],
    ] as const) {
      let isDisturbed = false;
      let problem: unknown;
      const go = join(folder(), 'go');
      const outcome = await run(checkpoint, {
        epochs: EPOCHS,
        env: { VICTIM_PAUSE: '2', VICTIM_GO: go },
        onOutput: (text) => {
          if (isDisturbed || !text.includes('epoch 2\n')) return;
          isDisturbed = true;
          try {
            disturb();
          } catch (error) {
            problem = error;
          }
          writeFileSync(go, '');
        },
      });
      // Of a run that nothing has happened to there is nothing to judge.
      if (problem !== undefined) throw problem as Error;
      assert.ok(isDisturbed, `${what}: the run ended before epoch 2`);
      refusedWith(outcome, error, what);
      assert.ok(epochOf(checkpoint) >= Math.max(2, outcome.epoch), what);
      repair();
      // What is read-only now can hold what was to be removed; the next run sees to that.
      if (what === 'full disks') assert.deepEqual(strays(checkpoint), [], what);
      assert.equal((await run(checkpoint, { epochs: EPOCHS })).how, 'done', what);
      assertSame(checkpoint, expected, what);
      for (const name of readdirSync(mounted)) rmSync(join(mounted, name));
      counts[what]++;
    }
  } finally {
    spawnSync('umount', [mounted]);
  }
  return { counts };
}

const NOBODY = 65534;

/** A folder without permission to write: refused before the training begins, with whatever is there untouched. */
export async function readOnlyFolder(): Promise<Report> {
  const asRoot = process.getuid?.() === 0;
  if (process.platform === 'win32') return { skipped: 'Windows has no folder permissions of this kind' };
  const checkpoint = join(folder(), 'run');
  assert.equal((await run(checkpoint, { epochs: FEW })).how, 'done');
  const before = filesOf(checkpoint);
  chmodSync(join(checkpoint, '..'), 0o555);
  try {
    // Permissions do not bind root.
    const uid = asRoot ? NOBODY : undefined;
    refusedWith(await run(checkpoint, { epochs: FEW, uid }), /^IO .*run.*EACCES.*permission/, 'existing checkpoint');
    refusedWith(await run(`${checkpoint}2`, { epochs: FEW, uid }), /^IO .*run2.*EACCES.*permission/, 'new checkpoint');
  } finally {
    chmodSync(join(checkpoint, '..'), 0o755);
  }
  assertSame(checkpoint, before, 'read-only folder');
  return { counts: { 'runs refused': 2 } };
}

/** Several processes that want one checkpoint at the same time. */
export async function rivals({ kills, seed }: Scale): Promise<Report> {
  const expected = await uninterrupted({ epochs: EPOCHS });
  const counts = { rounds: 0, processes: 0, refused: 0, killed: 0 };
  const stream = random(seed, 'rivals');
  // Until some have met: of processes that came one after the other there is nothing to judge.
  for (let round = 0; round < Math.max(1, Math.ceil(kills / 20)) || (counts.refused === 0 && round < 20); round++) {
    const checkpoint = join(folder(), 'run');
    for (let done = false; !done;) {
      const killAfter = stream.below(2) === 0 ? stream.uniform() * expected.time : undefined;
      const outcomes = await Promise.all(
        [0, 1, 2].map((i) => run(checkpoint, { epochs: EPOCHS, ...(i === 0 && { killAfter }) })),
      );
      for (const { how, error } of outcomes) {
        counts.processes++;
        if (how === 'killed') counts.killed++;
        if (how === 'refused') (counts.refused++, assert.match(error, /^IO .*run: locked by another process: pid \d+/));
        done ||= how === 'done';
      }
      assert.ok(
        outcomes.some(({ how }) => how !== 'refused'),
        'all were refused',
      );
    }
    assertSame(checkpoint, expected, `round ${round}`);
    counts.rounds++;
  }
  assert.ok(counts.refused > 0, 'no two processes met');
  return { counts };
}

/** A wall clock that jumps by years at every look, and files from the past and the future. */
export async function clockJumps({ kills, seed }: Scale): Promise<Report> {
  const faults = buildFaults();
  if ('reason' in faults) return { skipped: faults.reason };
  const expected = await uninterrupted({ epochs: EPOCHS });
  const counts = { kills: 0, 'runs to the end': 0 };
  const stream = random(seed, 'clock');
  const looks = Array.from({ length: 4 }, () => {
    const env = { ...process.env, ...environment(faults.library, join(folder(), 'run'), { FAULT_CLOCK: '1' }) };
    return Number(spawnSync(process.execPath, ['-p', 'Date.now()'], { env, encoding: 'utf8' }).stdout);
  });
  assert.ok(
    looks.some((time) => Math.abs(time - Date.now()) > 86_400_000),
    `the clock does not jump: ${looks.join(', ')}`,
  );
  while (counts.kills < Math.max(2, kills / 10)) {
    const checkpoint = join(folder(), 'run');
    for (;;) {
      const env = environment(faults.library, checkpoint, { FAULT_CLOCK: '1' });
      const outcome = await run(checkpoint, { epochs: EPOCHS, env, killAfter: stream.uniform() * expected.time });
      for (const name of readdirSync(join(checkpoint, '..'))) {
        const when = new Date(stream.below(2) === 0 ? '1970-01-02' : '2106-02-07');
        utimesSync(join(checkpoint, '..', name), when, when);
      }
      if (outcome.how === 'done') break;
      assert.equal(outcome.how, 'killed');
      counts.kills++;
    }
    assertSame(checkpoint, expected, 'clock');
    counts['runs to the end']++;
  }
  return { counts };
}

/** A checkpoint that was damaged, and one of another run, are refused and left as they are. */
export async function damagedCheckpoints({ seed }: Scale): Promise<Report> {
  const checkpoint = join(folder(), 'run');
  assert.equal((await run(checkpoint, { epochs: FEW })).how, 'done');
  const good = readFileSync(checkpoint);
  const stream = random(seed, 'damage');
  const counts = { 'bits flipped': 0, 'files cut': 0, 'other runs': 0, 'runs gone on': 0 };
  const refusedAs = async (bytes: Buffer, what: string, pattern: RegExp, options = { epochs: FEW, width: 24 }) => {
    writeFileSync(checkpoint, bytes);
    const { mtimeMs } = statSync(checkpoint);
    refusedWith(await run(checkpoint, options), pattern, what);
    assert.ok(
      readFileSync(checkpoint).equals(bytes) && statSync(checkpoint).mtimeMs === mtimeMs,
      `${what}: the file was changed`,
    );
    assert.ok(!existsSync(`${checkpoint}.lock`), what);
  };
  const header = 8 + Number(good.readBigUInt64LE(0));
  for (let i = 0; i < 4; i++) {
    const flipped = Buffer.from(good);
    flipped[header + stream.below(good.length - header)] ^= 1 << stream.below(8);
    await refusedAs(flipped, 'a flipped bit', /^MODEL_FILE .*digest/);
    counts['bits flipped']++;
    await refusedAs(good.subarray(0, stream.below(good.length)), 'a cut file', /^MODEL_FILE/);
    counts['files cut']++;
  }
  await refusedAs(good, 'another model', /^MODEL_FILE .*belongs to another run/, { epochs: FEW, width: 25 });
  counts['other runs']++;
  // More epochs of the same run are no other run.
  writeFileSync(checkpoint, good);
  assert.equal((await run(checkpoint, { epochs: FEW + 1 })).how, 'done');
  counts['runs gone on']++;
  return { counts };
}

export const EXPERIMENTS: Record<string, (scale: Scale) => Promise<Report>> = {
  'kill -9 at random instants': randomKills,
  'kill -9, full disk and failed sync at every system call': killAtEveryCall,
  'a full and a read-only file system': realDisk,
  'a folder that cannot be written to': readOnlyFolder,
  'several processes on one checkpoint': rivals,
  'clock jumps': clockJumps,
  'damaged checkpoints': damagedCheckpoints,
};
