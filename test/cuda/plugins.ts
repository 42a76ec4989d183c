/** The device plugins that this machine can run: the emulation, and on a machine with a GPU the real one. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../lib/foundation/addon.js';
import { resolveDevice } from '../../lib/foundation/device.js';

const root = packageRoot();
export const scratch = mkdtempSync(join(tmpdir(), 'innerloop-cuda-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** Runs a program; its output where it fails. */
export function attempt(command: string, args: readonly string[]): string | undefined {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? `${stdout}${stderr}`);
}

/** Builds the emulation, where anything of it has changed. @returns its library, or why there is none */
function buildEmulation(): { library: string } | { missing: string } {
  if (attempt('cmake', ['--version']) !== undefined) return { missing: 'cmake is not on the PATH' };
  const folder = join('build', 'cuda-emulate');
  mkdirSync(join(root, 'build'), { recursive: true });
  for (const args of [
    ['-S', join('native', 'cuda'), '-B', folder, '-DINNERLOOP_CUDA=emulate'],
    ['--build', folder, '--parallel'],
  ]) {
    // Other files of tests build it too, two at a time: one waits for the other, whose library it then finds as it should be.
    const failure = attempt('flock', [join('build', 'cuda-emulate.lock'), 'cmake', ...args]);
    if (failure !== undefined) throw new Error(failure);
  }
  return { library: join(root, folder, 'innerloop_emulation.so') };
}

export interface Plugin {
  readonly name: string;
  readonly library: string;
}

const emulation =
  process.env['INNERLOOP_TEST_DEVICE'] === 'gpu'
    ? { missing: 'only the GPU was asked for' }
    : process.platform === 'linux'
      ? buildEmulation()
      : { missing: 'the emulation is built on Linux alone' };
/** Why there is no emulation. */
export const missing = 'missing' in emulation ? emulation.missing : undefined;

/** The emulation with other settings: a copy, which the process loads beside the first. */
function emulationAs(name: string, setting: string): Plugin {
  if ('missing' in emulation) throw new Error(emulation.missing);
  const library = join(scratch, `${name}.so`);
  copyFileSync(emulation.library, library);
  settings.set(library, setting);
  return { name, library };
}
const settings = new Map<string, string>();

/** Loops from the last item to the first, and a block with hardly any shared memory. */
export const emulations: readonly Plugin[] =
  'missing' in emulation
    ? []
    : [
        { name: 'emulation', library: emulation.library },
        emulationAs('backwards', 'backwards'),
        emulationAs('small-blocks', '4096'),
      ];

/** Makes `cuda` the device of a plugin from now on. */
export function use({ library }: Plugin): void {
  process.env['INNERLOOP_CUDA_PLUGIN'] = library;
  process.env['INNERLOOP_EMULATE'] = settings.get(library) ?? '';
  delete process.env['INNERLOOP_DEVICE'];
}

/** The plugin for the GPU, where it has been built (`npm run build:cuda`) and there is one; else why not. */
export function realPlugin(): Plugin | string {
  const library = join(root, 'build', 'cuda', 'innerloop_cuda.so');
  if (!existsSync(library)) return 'the plugin has not been built (npm run build:cuda)';
  const before = process.env['INNERLOOP_CUDA_PLUGIN'];
  process.env['INNERLOOP_CUDA_PLUGIN'] = library;
  const { kind, reason = '' } = resolveDevice('auto', 'device');
  // Tests may be running already.
  process.env['INNERLOOP_CUDA_PLUGIN'] = before ?? '';
  return kind === 'cuda' ? { name: 'gpu', library } : reason;
}
