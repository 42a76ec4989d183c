/** Files that are written whole or not at all, and locks between processes, one of which may be killed at any instant. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'tap';
import { lockFile, readWhole, writeDurable } from '../../lib/files/durable.js';
import { text } from '../fixtures/bytes.js';
import { typed } from '../fixtures/typed-errors.js';

const folder = fs.mkdtempSync(join(tmpdir(), 'innerloop-durable-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
let made = 0;

/** An empty folder of its own, so that stray files show. */
const fresh = (): string => fs.mkdirSync(join(folder, String(made++)), { recursive: true })!;

test('durable: writes, replaces, keeps permissions, follows links, leaves nothing else', async () => {
  const dir = fresh();
  const path = join(dir, 'model.safetensors');
  await writeDurable(path, [text('ab'), new Uint8Array(0), text('c')]);
  fs.chmodSync(path, 0o640);
  fs.symlinkSync('model.safetensors', join(dir, 'latest'));
  await writeDurable(join(dir, 'latest'), [text('new')]);
  assert.equal(fs.readFileSync(path, 'utf8'), 'new');
  assert.equal(fs.statSync(path).mode & 0o777, 0o640);
  assert.deepEqual(fs.readdirSync(dir).sort(), ['latest', 'model.safetensors']);
  assert.deepEqual(await readWhole(path), text('new'));
});

test('durable: refusals name the path, the reason and what to do', async () => {
  const dir = fresh();
  const path = join(dir, 'file');
  await writeDurable(path, [text('old')]);
  await assert.rejects(writeDurable(join(dir, 'none', 'x'), []), typed('IO', /none.x.*ENOENT.*create it first/));
  await assert.rejects(writeDurable(join(path, 'x'), []), typed('IO', /file.x.*ENOTDIR.*folder/));
  await assert.rejects(writeDurable(dir, []), typed('IO', /a folder/));
  await assert.rejects(writeDurable('/dev/null', []), typed('IO', /\/dev\/null.*device/));
  const noBytes = { length: 5 } as unknown as Uint8Array;
  await assert.rejects(writeDurable(path, [text('new'), noBytes]), typed('IO', /file: cannot write/)); // half way
  await assert.rejects(readWhole(join(dir, 'gone')), typed('MISSING_FILE', /gone/));
  await assert.rejects(readWhole(dir), typed('IO', /a folder/));
  assert.equal(fs.readFileSync(path, 'utf8'), 'old');
  assert.deepEqual(fs.readdirSync(dir), ['file']);
});

test('durable: a full disk leaves the old file and no temporary one', async (t) => {
  const dir = fresh();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', dir]);
  if (mounted.status !== 0) return t.plan(0, 'a small tmpfs cannot be mounted here');
  try {
    const path = join(dir, 'file');
    await writeDurable(path, [text('old')]);
    const error = typed('IO', /file: .*ENOSPC.*free space/);
    await assert.rejects(writeDurable(path, [new Uint8Array(32768), new Uint8Array(65536)]), error);
    assert.equal(fs.readFileSync(path, 'utf8'), 'old');
    assert.deepEqual(fs.readdirSync(dir), ['file']);
  } finally {
    spawnSync('umount', [dir]);
  }
});

const durable = JSON.stringify(new URL('../../lib/files/durable.js', import.meta.url).href);
function start(script: string, ...args: string[]): ChildProcess {
  const code = `import * as d from ${durable}; const [path] = process.argv.slice(1); ${script}`;
  return spawn(process.execPath, ['--input-type=module', '-e', code, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** The next text that the child prints; fails if it ends first. */
function says(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.stdout!.once('data', (data: Buffer) => resolve(String(data).trim()));
    child.once('exit', (code) => reject(new Error(`the child ended early: ${code}`)));
  });
}
async function ended(child: ChildProcess, signal?: 'SIGKILL'): Promise<void> {
  if (signal) child.kill(signal);
  else child.stdin!.end();
  await once(child, 'exit');
}

test('durable: kill -9 at any instant leaves a complete file', async (t) => {
  const dir = fresh();
  const path = join(dir, 'file');
  const versions = new Set<number>();
  let strays = 0;
  for (let round = 0; round < 20; round++) {
    // A version is its number in four bytes and that byte 200,000 + number times, in three chunks.
    const child = start(
      `for (let n = ${round * 7}; ; n++) {
         const head = new Uint8Array(Uint32Array.of(n).buffer), body = new Uint8Array(200000 + n).fill(n);
         await d.writeDurable(path, [head, body.subarray(0, 99999), body.subarray(99999)]);
         if (n === ${round * 7 + 1}) console.log('going');
       }`,
      path,
    );
    await says(child);
    await new Promise((done) => setTimeout(done, Math.random() * 20));
    await ended(child, 'SIGKILL');
    const bytes = await readWhole(path);
    const n = new DataView(bytes.buffer).getUint32(0, true);
    assert.equal(bytes.length, 4 + 200000 + n);
    assert.ok(bytes.subarray(4).every((byte) => byte === (n & 255)));
    versions.add(n);
    for (const name of fs.readdirSync(dir).filter((found) => found !== 'file')) {
      assert.match(name, new RegExp(`^\\.file\\.${child.pid}\\.[0-9a-f]{16}\\.tmp$`));
      fs.unlinkSync(join(dir, name));
      strays++;
    }
  }
  assert.ok(versions.size > 1);
  t.comment(`${strays} of 20 kills left a temporary file, ${versions.size} versions were found`);
});

test('durable: what a killed writer left is removed by the next, and of nobody else', async () => {
  const dir = fresh();
  const path = join(dir, 'file');
  const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  const [left, living, elsewhere] = [
    `.file.${dead}.${host}00000000.tmp`,
    `.file.${process.ppid}.${host}00000000.tmp`,
    `.file.${dead}.${host === 'ffffffff' ? '00000000' : 'ffffffff'}00000000.tmp`,
  ];
  for (const name of [left, living, elsewhere]) fs.writeFileSync(join(dir, name), 'half');
  await writeDurable(path, [text('new')]);
  assert.deepEqual(fs.readdirSync(dir).sort(), [living, elsewhere, 'file'].sort());
});

const HOLD = `try {
    const lock = await d.lockFile(path);
    console.log('locked');
    process.stdin.resume().on('end', () => lock.release());
  }
  catch (e) { console.log(e.code + ' ' + e.message); process.exit(); }`;

test('lock: one of two processes, the other is told which', async () => {
  const path = join(fresh(), 'run');
  const first = start(HOLD, path);
  assert.equal(await says(first), 'locked');
  const second = start(HOLD, path);
  const message = `IO ${path}: locked by another process: pid ${first.pid} on host ${hostname()};`;
  assert.ok((await says(second)).startsWith(message));
  await assert.rejects(lockFile(path), typed('IO', new RegExp(`pid ${first.pid}\\b.*run\\.lock`)));
  await ended(first);
  const mine = await lockFile(path);
  await assert.rejects(lockFile(path), typed('IO', /this very process/));
  await mine.release();
  await mine.release();
  assert.deepEqual(fs.readdirSync(join(path, '..')), []);
});

test('lock: the lock of a killed process is taken over', async () => {
  const path = join(fresh(), 'run');
  const child = start(HOLD, path);
  await says(child);
  await ended(child, 'SIGKILL');
  assert.equal((JSON.parse(fs.readFileSync(`${path}.lock`, 'utf8')) as { pid: number }).pid, child.pid);
  const next = start(HOLD, path);
  assert.equal(await says(next), 'locked');
  await assert.rejects(lockFile(path), typed('IO', new RegExp(`pid ${next.pid}\\b`)));
  await ended(next);
  assert.deepEqual(fs.readdirSync(join(path, '..')), []);
});

/** The record of a process that ended, as a lock file holds it. */
const token = (n: number): string => String(n).padStart(32, '0');
function dead(n: number, change: object = {}): string {
  const { pid } = spawnSync(process.execPath, ['--version']);
  return JSON.stringify({ pid, host: hostname(), started: '', token: token(n), ...change });
}

test('lock: of many that find a stale lock, or a chain of dead successors, exactly one wins', async () => {
  const records = [1, 2, 3].map((n) => dead(n));
  for (let round = 0; round < 60; round++) {
    const path = join(fresh(), 'run');
    const files = [`${path}.lock`, `${path}.lock.${token(1)}`, `${path}.lock.${token(2)}`];
    for (let k = 0; k <= round % 3; k++) fs.writeFileSync(files[k], records[k]);
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => lockFile(path)));
    const won = results.filter((r) => r.status === 'fulfilled');
    assert.equal(won.length, 1, `round ${round}`);
    for (const r of results) if (r.status === 'rejected') typed('IO', /this very process/)(r.reason);
    await won[0].value.release();
    assert.deepEqual(fs.readdirSync(join(path, '..')), []);
  }
});

test('lock: a reused pid is stale; another host and an unreadable lock are not', async () => {
  const path = join(fresh(), 'run');
  const lock = `${path}.lock`;
  fs.writeFileSync(lock, dead(1, { host: 'elsewhere.example' }));
  await assert.rejects(lockFile(path), typed('IO', /host elsewhere\.example.*delete .*run\.lock/));
  fs.writeFileSync(lock, '{"pid":1}');
  await assert.rejects(lockFile(path), typed('IO', /run\.lock: not a lock file.*delete/));
  fs.writeFileSync(lock, dead(1, { token: '../../etc/passwd' }));
  await assert.rejects(lockFile(path), typed('IO', /not a lock file/));
  assert.deepEqual(fs.readdirSync(join(path, '..')), ['run.lock']);
  if (fs.existsSync('/proc/self/stat')) {
    fs.writeFileSync(lock, dead(1, { pid: process.pid, started: 'an earlier boot/1' }));
    await (await lockFile(path)).release();
    assert.deepEqual(fs.readdirSync(join(path, '..')), []);
  }
});
