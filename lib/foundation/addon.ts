/** Loads and calls the native addon. Everything here is internal: handles are opaque, and arguments have been validated before. */
import { aborted } from './abort.js';
import { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Precision } from './contract.js';
import { InnerloopError } from './errors.js';
import type { ErrorCode, ErrorDetails } from './errors.js';
import type { NativeAddon } from './native-addon.js';
import type { NativeOperations } from './native-contract.js';
import { NAMES } from './native-names.js';
import type { EnumName, NativeToken } from './native-names.js';

export * from './native-addon.js';
export * from './native-contract.js';
export * from './native-names.js';

let loaded: NativeAddon | undefined;

/** Loads the addon on first use, so that importing the package never fails. */
export function addon(): NativeAddon {
  return (loaded ??= load());
}

/** The numbers of an enum's names. */
export function codes<E extends EnumName>(name: E): NativeAddon['enums'][E] {
  return addon().enums[name];
}

export function operations(precision: Precision): NativeOperations {
  return addon()[precision];
}

function load(): NativeAddon {
  const require = createRequire(import.meta.url);
  const root = packageRoot();
  try {
    const gypBuild = require('node-gyp-build') as (directory: string) => NativeAddon;
    return withNames(gypBuild(root));
  } catch (cause) {
    if (cause instanceof InnerloopError) throw cause;
    if (isUnsupported(cause)) {
      throw new InnerloopError('UNSUPPORTED', cause.message, { field: 'INNERLOOP_ISA', cause });
    }
    throw new InnerloopError(
      'NATIVE',
      `no native core for ${process.platform}-${process.arch} could be loaded from ${root}`,
      { expected: isBundled(root) ? UNBUNDLE : BUILD, cause },
    );
  }
}

const BUILD =
  'a prebuilt binary, or one built with: npm i -D cmake-js node-addon-api && npx cmake-js build -d node_modules/innerloop';
const UNBUNDLE =
  'the package as it was installed, since a bundle does not hold its binary: keep it outside with esbuild --external:innerloop, ' +
  "Vite ssr: { external: ['innerloop'] } or webpack externals: { innerloop: 'commonjs innerloop' }";

/** Whether this code lies in somebody else's package, as it does when a bundler has put it there. */
function isBundled(root: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name?: string };
    return name !== 'innerloop';
  } catch {
    return true;
  }
}

/** @internal @throws {InnerloopError} NATIVE where the core lacks a name: the binary is of another version */
export function withNames(core: NativeAddon): NativeAddon {
  const tables = core.enums as { readonly [E in EnumName]?: Readonly<Record<string, number>> } | undefined;
  for (const [table, names] of Object.entries(NAMES) as [EnumName, readonly string[]][]) {
    const missing = names.find((name) => tables?.[table]?.[name] === undefined);
    if (missing !== undefined)
      throw new InnerloopError('NATIVE', `the native core does not know ${missing} of ${table}`, {
        field: table,
        value: missing,
        expected: 'a core built from the same version as this package',
      });
  }
  return core;
}

function isUnsupported(error: unknown): error is Error {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === 'UNSUPPORTED';
}

/** The folder of this package: compiled files lie two levels below it, sources one. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

let version: string | undefined;

/** The version in package.json, as it was when it was first asked for. */
export function packageVersion(): string {
  return (version ??= (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string })
    .version);
}

/** What a task of a call is called in errors, or what is likely wrong with it. */
export type TaskName = string | Pick<ErrorDetails, 'field' | 'value' | 'expected'>;

const nameByPosition = (task: number): TaskName => `task ${task}`;

/** Runs a native call under an AbortSignal; failures become InnerloopError. @param nameTask names a task by its position */
export async function runNative<R>(
  signal: AbortSignal | undefined,
  start: (token: NativeToken | undefined) => R | Promise<R>,
  nameTask: (task: number) => TaskName = nameByPosition,
): Promise<R> {
  if (signal?.aborted === true) throw aborted(signal);
  const token = signal && addon().createToken();
  const release = token && onAbort(signal, token);
  try {
    return await start(token);
  } catch (error) {
    throw typed(error, signal, nameTask);
  } finally {
    release?.();
  }
}

/** The calls that wait on a signal, and its one listener: Node warns of more than ten. */
const waitingOn = new WeakMap<AbortSignal, { tokens: Set<NativeToken>; abort: () => void }>();

function onAbort(signal: AbortSignal, token: NativeToken): () => void {
  let waiting = waitingOn.get(signal);
  if (waiting === undefined) {
    const tokens = new Set<NativeToken>();
    waiting = { tokens, abort: () => tokens.forEach((each) => addon().abortToken(each)) };
    waitingOn.set(signal, waiting);
  }
  const { tokens, abort } = waiting;
  if (tokens.size === 0) signal.addEventListener('abort', abort, { once: true });
  tokens.add(token);
  return () => {
    tokens.delete(token);
    if (tokens.size === 0) signal.removeEventListener('abort', abort);
  };
}

/** Runs a native call that computes at once; failures become InnerloopError. */
export function runNativeSync<R>(start: () => R, nameTask: (task: number) => TaskName = nameByPosition): R {
  try {
    return start();
  } catch (error) {
    throw typed(error, undefined, nameTask);
  }
}

function typed(error: unknown, signal: AbortSignal | undefined, nameTask: (task: number) => TaskName): unknown {
  const { code, message, task } = error as { code?: string; message: string; task?: number };
  if (code === 'ABORTED' && signal !== undefined) return aborted(signal);
  if (code === 'DIVERGED') {
    const name = task === undefined ? undefined : nameTask(task);
    return new InnerloopError('DIVERGED', message, {
      expected: 'finite numbers: try a smaller learning rate or fewer steps',
      ...(typeof name === 'object' ? name : { field: name }),
      cause: error,
    });
  }
  return nativeError(error);
}

/** The typed form of an error that the native core threw. */
export function nativeError(error: unknown): unknown {
  if (error instanceof InnerloopError) return error;
  const { code, message } = error as { code?: string; message?: string };
  if (code === 'DISPOSED')
    return new InnerloopError('DISPOSED', 'was disposed of', {
      field: 'learner',
      expected: 'one that is in use: createLearner or loadLearner anew, and adapt again',
      cause: error,
    });
  if (code === 'INVALID_OPTION' || code === 'UNSUPPORTED' || code?.startsWith('CUDA_') === true)
    return new InnerloopError(code as ErrorCode, message ?? '', { cause: error });
  return new InnerloopError('NATIVE', message ?? String(error), { cause: error });
}
