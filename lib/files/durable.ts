import { createHash, randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, link, open, readFile, readdir, realpath, rename, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { InnerloopError } from '../foundation/errors.js';

/** The most bytes of one read or write call: the kernel's limit is 2 GiB. */
const MAX_CALL = 1 << 30;

// -------------------------------------------------------------------------------------------------------- files

/**
 * Replaces a file as a whole: whoever reads `path`, at any time and after any crash or power loss, finds the old bytes
 * or the new ones, complete. When the promise resolves the new ones are on the disk.
 *
 * A process killed half way leaves a file `.<name>.<pid>.<random>.tmp` beside the target; the next process of this host
 * that writes the target removes it. A symbolic link is followed, and the permissions of an old file are kept.
 *
 * @param chunks - the contents in order; do not change them until the promise settles
 * @throws InnerloopError `IO`, with the old file intact and the temporary one removed (or, should only the last step
 *   fail, the sync of the folder, with the new file in place but not known to survive a power loss)
 */
export async function writeDurable(path: string, chunks: Uint8Array[]): Promise<void> {
  let temporary: string | undefined;
  try {
    // The real folder: a rename over a link would replace the link, and may not cross file systems.
    const target = await realpath(path).catch(ignoring(['ENOENT'], resolve(path)));
    const old = await stat(target).catch(ignoring(['ENOENT'], undefined));
    // A rename would replace a device or a pipe (/dev/null) by a regular file.
    if (old !== undefined && !old.isFile()) throw notAFile(path, old.isDirectory());

    await sweep(target);
    const name = temporaryName(target);
    const file = await open(name, 'wx');
    temporary = name;
    try {
      if (old !== undefined) await file.chmod(old.mode & 0o7777).catch(ignoring(['EPERM', 'ENOTSUP'], undefined));
      for (const chunk of chunks) await writeWhole(file, chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(name, target);
    temporary = undefined;
    await syncFolder(dirname(target));
  } catch (error) {
    if (temporary !== undefined) await unlink(temporary).catch(() => undefined);
    throw refused(error, path, 'cannot write the file');
  }
}

/**
 * The bytes of a file, in memory of their own (aligned for any typed array).
 *
 * @throws InnerloopError `MISSING_FILE` if there is none, `IO` if it cannot be read
 */
export async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const status = await file.stat();
      if (!status.isFile()) throw notAFile(path, status.isDirectory());
      const bytes = allocate(path, status.size);
      let at = 0;
      while (at < bytes.length) {
        const { bytesRead } = await file.read(bytes, at, Math.min(bytes.length - at, MAX_CALL), at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      if (at < bytes.length) {
        const expected = 'a file that nothing else writes to in place';
        throw new InnerloopError('IO', 'the file shrank while it was read', { field: path, value: at, expected });
      }
      return bytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      const details = { field: path, expected: 'an existing file', cause: error };
      throw new InnerloopError('MISSING_FILE', 'no such file', details);
    }
    throw refused(error, path, 'cannot read the file');
  }
}

function allocate(path: string, size: number): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    const expected = 'a file that fits in memory';
    throw new InnerloopError('IO', 'the file is too large', { field: path, value: `${size} bytes`, expected, cause });
  }
}

async function writeWhole(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length;) {
    const { bytesWritten } = await file.write(chunk, at, Math.min(chunk.length - at, MAX_CALL));
    if (bytesWritten === 0) throw new Error('the system accepted no bytes and gave no reason');
    at += bytesWritten;
  }
}

/** Makes the rename itself durable. Only the refusals of platforms that cannot sync a folder are let through. */
async function syncFolder(folder: string): Promise<void> {
  const cannot = ['EPERM', 'EISDIR', 'EACCES', 'EINVAL', 'EBADF', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'];
  const handle = await open(folder, 'r').catch(ignoring(cannot, undefined));
  try {
    await handle?.sync().catch(ignoring(cannot, undefined));
  } finally {
    await handle?.close();
  }
}

/** The first half of what is random in a temporary name: on which host its pid means something. */
const HOST = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** Beside the target, because a rename is atomic only within a file system; at most 255 bytes of any name are legal. */
function temporaryName(target: string): string {
  return join(dirname(target), `${temporaryPrefix(target)}${process.pid}.${HOST}${randomBytes(4).toString('hex')}.tmp`);
}

function temporaryPrefix(target: string): string {
  return `.${Buffer.from(basename(target)).length > 180 ? 'file' : basename(target)}.`;
}

/** Targets beside which this process has looked for what others left. */
const swept = new Set<string>();

/**
 * Removes the temporary files of killed writers of a target, once in a process. Only a pid of this host that certainly
 * has ended counts: age says nothing where clocks jump, and a file of a living writer taken away would fail its rename.
 */
async function sweep(target: string): Promise<void> {
  if (swept.has(target)) return;
  swept.add(target);
  const prefix = temporaryPrefix(target);
  for (const file of await readdir(dirname(target)).catch(() => [])) {
    if (!file.startsWith(prefix)) continue;
    const [, pid, host] = /^(\d+)\.([0-9a-f]{8})[0-9a-f]{8}\.tmp$/.exec(file.slice(prefix.length)) ?? [];
    if (host === HOST && !isRunning(Number(pid))) await unlink(join(dirname(target), file)).catch(() => undefined);
  }
}

// -------------------------------------------------------------------------------------------------------- locks

const TOKEN = /^[0-9a-f]{32}$/;

/** Who holds a lock. */
interface Owner {
  pid: number;
  host: string;
  /** When the process started, in the system's own terms, so that a reused pid is not taken for it; '' if unknown. */
  started: string;
  /** Random and never used twice: tells this acquisition from every other. */
  token: string;
}

/**
 * Takes the advisory lock of a file or folder: `<path>.lock` beside it, a small JSON text naming process and host. The
 * lock of a process that died on this host is taken over; one from another host cannot be judged and stays.
 *
 * @returns `release`, which may be called more than once
 * @throws InnerloopError `IO` naming the process that holds the lock, or why the lock file cannot be made
 */
export async function lockFile(path: string): Promise<{ release(): Promise<void> }> {
  // Why two processes never both believe that they hold the lock:
  //   1. The lock file is made by link(2) from a finished file: it fails if one exists, and is never seen half written.
  //   2. A dead owner's lock is never deleted first ("unlink, then create" lets a slow process unlink the new lock).
  //      The successor of acquisition T is whoever links `<lock>.T`; tokens are never reused, so T has one successor.
  //      A successor that dies before the next step has a token and hence a successor of its own: a chain.
  //   3. The successor renames its file over the lock, and only then removes the chain's links (and those that a dead
  //      one did not come to remove). So a process that read the old lock and could link a removed `<lock>.T` again
  //      finds, when it walks the chain once more from the lock, that the walk no longer ends in its own token; it
  //      withdraws.
  // Beyond plain files: file systems whose link or rename is not atomic (some network ones), two machines or containers
  // with one host name, and people who delete lock files by hand.
  const lock = `${resolve(path)}.lock`;
  const mine: Owner = {
    pid: process.pid,
    host: hostname(),
    started: (await startOf(process.pid)) ?? '',
    token: randomBytes(16).toString('hex'),
  };
  const own = temporaryName(lock);
  try {
    await sweep(lock);
    const file = await open(own, 'wx');
    try {
      await writeWhole(file, Buffer.from(`${JSON.stringify(mine)}\n`));
    } finally {
      await file.close();
    }
    for (let attempt = 0; !(await createFrom(own, lock)); attempt++) {
      // Each round lost means that another process moved on; only a damaged folder (a dangling link, say) repeats it.
      if (attempt === 1000) throw new Error('its lock file exists and cannot be read');
      const chain = await chainOf(lock);
      const last = chain.at(-1);
      if (last === undefined) continue; // released in between
      if (await isAlive(last.owner)) throw held(path, lock, last.owner);
      if (await succeed(lock, own, mine, last.owner)) break;
    }
    await removeClaims(lock, mine);
  } catch (error) {
    throw refused(error, path, 'cannot lock it');
  } finally {
    await unlink(own).catch(() => undefined);
  }
  return {
    async release() {
      try {
        // A lock that is no longer ours was removed by hand; what is there now belongs to another process.
        if ((await ownerIn(lock))?.token === mine.token) await unlink(lock);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw refused(error, path, 'cannot unlock it');
      }
    },
  };
}

/** Tries to become the successor of a dead owner. */
async function succeed(lock: string, own: string, mine: Owner, dead: Owner): Promise<boolean> {
  const claim = `${lock}.${dead.token}`;
  if (!(await createFrom(own, claim))) return false;
  try {
    const chain = await chainOf(lock);
    if (chain.at(-1)?.owner.token !== mine.token) {
      await unlink(claim).catch(ignoring(['ENOENT'], undefined));
      return false;
    }
    await rename(own, lock);
    return true;
  } catch (error) {
    await unlink(claim).catch(() => undefined);
    throw error;
  }
}

/** Whoever holds the lock removes all claims on its past: none can end in it any more. */
async function removeClaims(lock: string, mine: Owner): Promise<void> {
  const prefix = `${basename(lock)}.`;
  for (const file of await readdir(dirname(lock)).catch(() => [])) {
    const token = file.startsWith(prefix) ? file.slice(prefix.length) : '';
    if (TOKEN.test(token) && token !== mine.token) await unlink(join(dirname(lock), file)).catch(() => undefined);
  }
}

/** The lock's owner, its successor, and so on. */
async function chainOf(lock: string): Promise<{ file: string; owner: Owner }[]> {
  const chain: { file: string; owner: Owner }[] = [];
  for (let file = lock; ; file = `${lock}.${chain.at(-1)!.owner.token}`) {
    const owner = await ownerIn(file);
    // A file that names itself as its successor was not written here; the tokens of a real chain all differ.
    if (owner === undefined || chain.some((earlier) => earlier.owner.token === owner.token)) return chain;
    chain.push({ file, owner });
  }
}

/** Undefined if there is no such file; a file that says nothing sensible throws, because its owner may live. */
async function ownerIn(file: string): Promise<Owner | undefined> {
  // Where links are not to be had the file is copied, and may be seen before it is complete.
  for (let attempt = 0; ; attempt++) {
    const text = await readFile(file, 'utf8').catch(ignoring(['ENOENT'], undefined));
    if (text === undefined) return undefined;
    const owner = parseOwner(text);
    if (owner !== undefined) return owner;
    if (attempt === 5) {
      const expected = 'the lock of a process; delete the file if no process is using it';
      throw new InnerloopError('IO', 'not a lock file of this library', { field: file, value: text, expected });
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

function parseOwner(text: string): Owner | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { pid, host, started, token } = value as Partial<Record<keyof Owner, unknown>>;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid <= 0) return undefined;
  if (typeof host !== 'string' || typeof started !== 'string') return undefined;
  // The token becomes part of a file name.
  if (typeof token !== 'string' || !TOKEN.test(token)) return undefined;
  return { pid, host, started, token };
}

/** False only if the owner has certainly ended. */
async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.host !== hostname()) return true;
  if (!isRunning(owner.pid)) return false;
  const started = await startOf(owner.pid);
  return started === undefined || owner.started === '' || started === owner.started;
}

/** False only if this host has no such process. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
  return true;
}

/**
 * Boot and start time of a process on Linux; '' for one that has ended and only waits for its parent; undefined where
 * the system does not tell. Without it a restarted container, where every run is process 1, would wait for itself.
 */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const status = await readFile(`/proc/${pid}/stat`, 'utf8');
    // proc(5): "pid (name) state …", the name may hold anything, starttime is field 22.
    const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? '' : `${boot}/${fields[19]}`;
  } catch {
    return undefined;
  }
}

/** Makes `to` with the contents of `from`; false if there already is such a file. */
async function createFrom(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to).catch(async (error: unknown) => {
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(codeOf(error) ?? '')) throw error;
      await copyFile(from, to, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function held(path: string, lock: string, owner: Owner): InnerloopError {
  const who = owner.pid === process.pid && owner.host === hostname() ? 'this very process' : 'another process';
  return new InnerloopError('IO', `locked by ${who}: pid ${owner.pid} on host ${owner.host}`, {
    field: path,
    expected: `one user at a time; wait until it ends, or delete ${lock} if it has ended`,
  });
}

// ------------------------------------------------------------------------------------------------------- errors

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'free space on the disk; delete something or choose another folder',
  EDQUOT: 'space in your disk quota; delete something or choose another folder',
  EFBIG: 'a file size that the system allows (ulimit -f, or the limit of the file system)',
  EACCES: 'permission for the file and its folder; change the permissions or choose another folder',
  EPERM: 'permission for the file and its folder; change the permissions or choose another folder',
  EROFS: 'a file system that can be written to; choose another folder',
  ENOENT: 'an existing folder; create it first',
  ENOTDIR: 'a path whose every part but the last is a folder',
  EISDIR: 'a file, not a folder',
  ENAMETOOLONG: 'a shorter name',
  ELOOP: 'a path without circular links',
  EMFILE: 'fewer open files, or a higher limit (ulimit -n)',
  ENFILE: 'fewer open files on this machine',
  EBUSY: 'a file that no other program holds open',
  EIO: 'a working disk; check the system log',
};

function refused(error: unknown, path: string, what: string): InnerloopError {
  if (error instanceof InnerloopError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const expected = ADVICE[codeOf(error) ?? ''] ?? 'the operating system to allow it';
  return new InnerloopError('IO', `${what}: ${reason}`, { field: path, expected, cause: error });
}

function notAFile(path: string, folder: boolean): InnerloopError {
  const value = folder ? 'a folder' : 'a device, pipe or socket';
  return new InnerloopError('IO', 'not a regular file', { field: path, value, expected: 'the path of a file' });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** For `catch`: turns the given system errors into `value`. */
function ignoring<T>(codes: readonly string[], value: T): (error: unknown) => T {
  return (error) => {
    if (codes.includes(codeOf(error) ?? '')) return value;
    throw error;
  };
}
