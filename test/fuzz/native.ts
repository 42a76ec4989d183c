/** The fuzz targets without Node (test/fuzz/native/), built with AddressSanitizer by CMake; where there is Clang they are libFuzzer's. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../lib/foundation/addon.js';
import type { Sanitizer } from '../sanitize/sanitize.js';

export const NATIVE_TARGETS = readdirSync(join(packageRoot(), 'test', 'fuzz', 'native')).flatMap(
  (name) => /^fuzz_(\w+)\.cc$/.exec(name)?.[1] ?? [],
);

/** Runs a target for a time; the number of cases. A finding is thrown. */
export function fuzzCore(sanitizer: Sanitizer, name: string, seconds: number, seed: number): number {
  const program = join(sanitizer.build, 'fuzz', `fuzz_${name}`);
  const folder = mkdtempSync(join(tmpdir(), 'innerloop-fuzz-'));
  const progress = join(folder, 'progress');
  const run = (...args: string[]) =>
    spawnSync(program, args, {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
      env: { ...process.env, FUZZ_PROGRESS: progress },
    });
  try {
    // The stand-in driver takes this for no time at all.
    const isLibFuzzer = run('-help=1').stderr.includes('-max_total_time');
    const { status, signal, stdout, stderr } = isLibFuzzer
      ? run(`-max_total_time=${seconds}`, `-seed=${seed}`, '-print_final_stats=1')
      : run(String(seconds), String(seed));
    if (status !== 0) {
      const repeat = isLibFuzzer
        ? 'the input is in the output'
        : `repeat with: ${program} 0 ${seed} ${readFileSync(progress, 'utf8').trim()}`;
      throw new Error(`fuzz_${name} ended with ${status ?? signal}; ${repeat}\n${stderr.slice(0, 4000)}`);
    }
    return Number(isLibFuzzer ? /stat::number_of_executed_units:\s*(\d+)/.exec(stderr)?.[1] : stdout.trim());
  } finally {
    rmSync(folder, { recursive: true });
  }
}
