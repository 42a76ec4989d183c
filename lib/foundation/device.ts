/** Where calls run: on the processor, or on a GPU through a plugin that is loaded at run time. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageVersion } from './addon.js';
import type { DeviceInfo } from './addon.js';
import { checkOneOf } from './check.js';
import { InnerloopError } from './errors.js';
import type { ErrorCode } from './errors.js';

export type { DeviceInfo } from './addon.js';

export type Device = 'cpu' | 'cuda';
/** `auto`: `cuda` where it can be used, else `cpu`. */
export type DeviceOption = Device | 'auto';
export const DEVICES: readonly DeviceOption[] = ['cpu', 'cuda', 'auto'];

/** A device as a model uses it. */
export interface ResolvedDevice {
  readonly kind: Device;
  readonly info?: DeviceInfo;
  /** Path of the plugin's library. @internal */
  readonly plugin?: string;
  /** Whether `auto` chose it, which then gives it up where a model or an algorithm does not run on it. @internal */
  readonly isChoice?: true;
  /** Why `auto` is the processor. */
  readonly reason?: string;
}

/** The processor in place of a device that `auto` chose and that does not do what was asked; else the error again. @internal */
export function processorInstead({ isChoice }: ResolvedDevice, error: unknown): ResolvedDevice {
  if (isChoice === true && error instanceof InnerloopError && error.code === 'UNSUPPORTED')
    return { kind: 'cpu', reason: error.message };
  throw error;
}

/** What a device is called in a manifest. */
export function deviceName({ kind, info }: ResolvedDevice): string {
  return info === undefined ? kind : `${kind}: ${info.name}`;
}

const PACKAGE = 'innerloop-cuda';
const LIBRARY = 'innerloop_cuda.so';
const CPU: ResolvedDevice = { kind: 'cpu' };

/**
 * The device that an option stands for. The GPU is looked for once a process, by a child process, so that a driver that ends the
 * process that asks it ends nothing else. INNERLOOP_DEVICE=cpu does without; INNERLOOP_CUDA_PLUGIN names a plugin's library in
 * place of that of the package innerloop-cuda.
 *
 * @throws {InnerloopError} `cuda`: CUDA_PACKAGE, CUDA_DRIVER, CUDA_DRIVER_VERSION, CUDA_DEVICE, CUDA_ARCHITECTURE or
 * CUDA_INTERFACE; UNSUPPORTED under INNERLOOP_DEVICE=cpu
 */
export function resolveDevice(option: unknown, field: string): ResolvedDevice {
  checkOneOf(option, field, DEVICES);
  if (option === 'cpu') return CPU;
  try {
    if (process.env['INNERLOOP_DEVICE'] === 'cpu') {
      throw new InnerloopError('UNSUPPORTED', 'INNERLOOP_DEVICE=cpu keeps calls on the processor', {
        field,
        value: option,
        expected: "'cpu', or the variable unset",
      });
    }
    const plugin = pluginPath(field);
    return { kind: 'cuda', info: probe(plugin, field), plugin, ...(option === 'auto' && { isChoice: true }) };
  } catch (error) {
    if (option === 'cuda' || !(error instanceof InnerloopError)) throw error;
    return { kind: 'cpu', reason: error.message };
  }
}

function pluginPath(field: string): string {
  const named = process.env['INNERLOOP_CUDA_PLUGIN'];
  if (named !== undefined && named !== '') {
    if (existsSync(named)) return named;
    throw missing(field, `INNERLOOP_CUDA_PLUGIN names ${named}, which does not exist`);
  }
  let manifest: string;
  try {
    manifest = createRequire(import.meta.url).resolve(`${PACKAGE}/package.json`);
  } catch (cause) {
    throw missing(field, `the package ${PACKAGE} is not installed`, cause);
  }
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version?: unknown };
  if (version !== packageVersion()) {
    throw new InnerloopError('CUDA_INTERFACE', `${PACKAGE} is of another version`, {
      field,
      value: version,
      expected: `npm install ${PACKAGE}@${packageVersion()}`,
    });
  }
  const library = join(dirname(manifest), LIBRARY);
  if (!existsSync(library)) throw missing(field, `the package ${PACKAGE} holds no ${LIBRARY}`);
  return library;
}

function missing(field: string, what: string, cause?: unknown): InnerloopError {
  return new InnerloopError('CUDA_PACKAGE', what, {
    field,
    expected: `npm install ${PACKAGE}@${packageVersion()}, on Linux`,
    ...(cause !== undefined && { cause }),
  });
}

/** @internal */
export interface ProbeFailure {
  code: string;
  message: string;
  required?: number | undefined;
  found?: number | undefined;
}
/** What the child process prints. @internal */
export type ProbeReport = DeviceInfo | ProbeFailure;

const probed = new Map<string, ProbeReport>();
/** A driver that has slept may take some seconds to start. */
const PROBE_LIMIT_MS = 30_000;

function probe(plugin: string, field: string): DeviceInfo {
  let report = probed.get(plugin);
  if (report === undefined) probed.set(plugin, (report = askChild(plugin)));
  if (!('code' in report)) return report;
  const { code, message, required = 0, found = 0 } = report;
  const numbers = code === 'CUDA_ARCHITECTURE' ? capability : code === 'CUDA_DRIVER_VERSION' ? version : String;
  throw new InnerloopError(code as ErrorCode, message, {
    field,
    ...(required > 0 && { value: numbers(found), expected: `${NEEDED[code] ?? 'version'} ${numbers(required)}` }),
  });
}

const NEEDED: Readonly<Record<string, string>> = {
  CUDA_DRIVER_VERSION: 'a driver for CUDA',
  CUDA_ARCHITECTURE: 'compute capability',
  CUDA_INTERFACE: 'interface version',
};
const version = (n: number) => `${Math.floor(n / 1000)}.${Math.floor((n % 1000) / 10)}`;
const capability = (n: number) => `${Math.floor(n / 10)}.${n % 10}`;

function askChild(plugin: string): ProbeReport {
  const script = join(dirname(fileURLToPath(import.meta.url)), 'device-probe.js');
  const child = spawnSync(process.execPath, [script, plugin], {
    encoding: 'utf8',
    timeout: PROBE_LIMIT_MS,
    stdio: ['ignore', 'pipe', 'ignore'],
    windowsHide: true,
    // The child does not take over options of this process, such as the port of a debugger.
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  if (child.status === 0) {
    try {
      return JSON.parse(child.stdout) as ProbeReport;
    } catch {
      // The failure is reported below.
    }
  }
  const how = child.error?.message ?? child.signal ?? `code ${child.status}`;
  return { code: 'CUDA_DRIVER', message: `the process that looked for a device ended with ${how}` };
}
