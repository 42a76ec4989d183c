/** Which contenders can run here, and how. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addon } from '../lib/foundation/addon.js';
import type { Contender } from './matrix.js';

export interface Runnable {
  contender: Contender;
  /** Program and first arguments; the request follows. */
  command: string[];
  env: Record<string, string>;
  /** What is measured, such as `torch 2.1.0`. */
  version: string;
}
export interface Skipped {
  contender: Contender;
  reason: string;
}

export interface Folders {
  /** The repository. */
  root: string;
  /** The compiled benchmark. */
  compiled: string;
}

export function findRunnable(contender: Contender, { root, compiled }: Folders, version: string): Runnable | Skipped {
  const trials = join(root, 'bench', 'trials');
  if (contender.runtime === 'ours') {
    const { isas, isa } = addon();
    if (contender.isa !== undefined && !isas.includes(contender.isa))
      return { contender, reason: `this machine has no ${contender.isa}` };
    const env: Record<string, string> = contender.isa === undefined ? {} : { INNERLOOP_ISA: contender.isa };
    return {
      contender,
      command: [process.execPath, join(compiled, 'trials', `${contender.trial}.js`)],
      env,
      version: `innerloop ${version} ${contender.isa ?? isa}`,
    };
  }
  if (contender.runtime === 'node') {
    const versions: string[] = [];
    for (const name of contender.needs) {
      const manifest = join(root, 'bench', 'node_modules', name, 'package.json');
      if (!existsSync(manifest)) return { contender, reason: `${name} is not installed (npm run bench -- --install)` };
      versions.push(`${name} ${(JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version}`);
    }
    return {
      contender,
      command: [process.execPath, join(trials, `${contender.trial}.mjs`)],
      env: { INNERLOOP_BENCH: compiled },
      version: versions[0],
    };
  }
  const missing: string[] = [];
  for (const python of pythons()) {
    const found = inspect(python, contender.needs);
    if (found.missing === undefined)
      return {
        contender,
        command: [python, join(trials, `${contender.trial}.py`)],
        env: { PYTHONDONTWRITEBYTECODE: '1' },
        version: found.version,
      };
    missing.push(`${python} has no ${found.missing}`);
  }
  return { contender, reason: missing.join(', ') };
}

function pythons(): string[] {
  return [...new Set([process.env['PYTHON'], 'python3', '/usr/bin/python3'])].filter(
    (p) => p !== undefined && p !== '',
  ) as string[];
}

const inspected = new Map<string, { version: string; missing?: string }>();

/** `a|b` needs either module. */
function inspect(python: string, needs: string[]): { version: string; missing?: string } {
  const key = [python, ...needs].join('\0');
  const known = inspected.get(key);
  if (known !== undefined) return known;
  const script = `
import importlib, sys
def load(names):
    for name in names.split("|"):
        try: return importlib.import_module(name)
        except Exception: pass
modules = [load(names) for names in sys.argv[1:]]
for names, module in zip(sys.argv[1:], modules):
    if module is None: print("missing", names.replace("|", " or ")); sys.exit()
print("found", ", ".join(f"{m.__name__} {m.__version__}" for m in modules if hasattr(m, "__version__")))
`;
  const { stdout, status } = spawnSync(python, ['-c', script, ...needs], { encoding: 'utf8' });
  const line = status === 0 ? stdout.trim().split('\n').pop()! : 'missing interpreter';
  const [kind, ...rest] = line.split(' ');
  const result = kind === 'found' ? { version: rest.join(' ') } : { version: '', missing: rest.join(' ') };
  inspected.set(key, result);
  return result;
}

/** Installs the peers of bench/package.json. */
export function installPeers(root: string): void {
  const windows = process.platform === 'win32';
  const args = [
    'install',
    '--prefix',
    join(root, 'bench'),
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
  ];
  const { status } = spawnSync(windows ? 'npm.cmd' : 'npm', args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: windows,
  });
  if (status !== 0) throw new Error('npm install of the peers failed; without --install they are skipped');
}
