/** `innerloop doctor`: what was found of everything that the package can use, and what to do where something lacks. */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { addon, packageRoot } from '../foundation/addon.js';
import { InnerloopError } from '../foundation/errors.js';
import { availableMemory } from '../foundation/memory.js';
import { packageVersion } from '../learner/manifest.js';
import { DUCKDB_INSTALL } from '../data/duckdb.js';

export interface Finding {
  name: string;
  /** `missing` is optional; `broken` keeps the package from working. */
  state: 'found' | 'missing' | 'broken';
  detail: string;
  /** What to do about it. */
  remedy?: string;
}

export async function diagnose(): Promise<Finding[]> {
  return [package_(), node(), core(), ...prebuilds(), await duckdb(), memory()];
}

export function render(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ name }) => name.length));
  return findings
    .map(({ name, state, detail, remedy }) => {
      const line = `${name.padEnd(width)}  ${state.padEnd(7)}  ${detail}`;
      return remedy === undefined ? line : `${line}\n${' '.repeat(width + 11)}→ ${remedy}`;
    })
    .join('\n');
}

function package_(): Finding {
  return { name: 'innerloop', state: 'found', detail: `${packageVersion()} in ${packageRoot()}` };
}

function node(): Finding {
  const { node: version } = process.versions;
  return { name: 'Node.js', state: 'found', detail: `${version} on ${process.platform}-${process.arch}, ${libc()}` };
}

function libc(): string {
  if (process.platform !== 'linux') return 'its own C library';
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`;
}

function core(): Finding {
  try {
    const { isa, isas, hardwareThreads } = addon();
    const detail = `${isa} (of ${isas.join(', ')}), ${hardwareThreads} threads`;
    if (isa !== 'reference') return { name: 'native core', state: 'found', detail };
    const remedy = 'a processor with AVX2, AVX-512 or NEON, or INNERLOOP_ISA unset: the reference is ten times slower';
    return { name: 'native core', state: 'found', detail, remedy };
  } catch (error) {
    const known = error instanceof InnerloopError;
    return {
      name: 'native core',
      state: 'broken',
      detail: String((error as Error).message).split('\n')[0],
      ...(known && error.expected !== undefined && { remedy: error.expected }),
    };
  }
}

/** Which platforms have a binary in the package; a checkout has none. */
function prebuilds(): Finding[] {
  try {
    const folder = join(packageRoot(), 'prebuilds');
    const platforms = readdirSync(folder).sort();
    return [{ name: 'prebuilt binaries', state: 'found', detail: platforms.join(', ') }];
  } catch {
    return [];
  }
}

async function duckdb(): Promise<Finding> {
  try {
    const { version } = await import('@duckdb/node-api');
    return { name: 'DuckDB', state: 'found', detail: `${version()} reads files and SQL` };
  } catch {
    const isThere = canResolve('@duckdb/node-api');
    return {
      name: 'DuckDB',
      state: 'missing',
      detail: isThere ? 'installed, but it could not be loaded' : 'not installed: files and SQL cannot be read',
      remedy: isThere ? `rm -rf node_modules/@duckdb && ${DUCKDB_INSTALL}` : DUCKDB_INSTALL,
    };
  }
}

function canResolve(name: string): boolean {
  try {
    createRequire(import.meta.url).resolve(name);
    return true;
  } catch {
    return false;
  }
}

function memory(): Finding {
  return { name: 'memory', state: 'found', detail: `${(availableMemory() / 2 ** 30).toFixed(1)} GiB at hand` };
}
