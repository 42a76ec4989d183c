/**
 * The test suite on an addon built with sanitizers, in an ordinary Node with the sanitizer's runtime loaded before it. Node itself
 * is not instrumented, so of the reports of ThreadSanitizer only those count whose both accesses go through the addon; that both
 * sanitizers see anything at all is shown by planted bugs.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../lib/foundation/addon.js';
import { isAmong, NOT_SANITIZED, SANITIZED_THREADS } from '../fixtures/suites.js';
import { readTap } from '../fixtures/tap.js';

export type Kind = 'address' | 'thread';
const SANITIZERS: Record<
  Kind,
  {
    flag: string;
    /** What the build of the reduced run leaves out: checks of every pointer take half of the compiler's time. */
    quickly: string;
    runtimes: string[];
    options: (log: string) => Record<string, string>;
    planted: RegExp;
  }
> = {
  address: {
    flag: 'address,undefined',
    quickly: '-fno-sanitize=null,pointer-overflow,object-size,vptr',
    runtimes: ['libasan.so', 'libubsan.so'],
    // V8 keeps what it has until the process ends: no leak check. Tests ask for more memory than there is: no abort at that.
    options: (log) => ({
      ASAN_OPTIONS: `detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=1:log_path=${log}`,
      UBSAN_OPTIONS: `print_stacktrace=1:log_path=${log}`,
    }),
    planted: /AddressSanitizer: heap-buffer-overflow/,
  },
  thread: {
    flag: 'thread',
    quickly: '',
    runtimes: ['libtsan.so'],
    options: (log) => ({ TSAN_OPTIONS: `exitcode=0:log_path=${log}` }),
    planted: /ThreadSanitizer: data race/,
  },
};

const root = packageRoot();
const compiler = process.env['CXX'] ?? 'c++';
/** A file of tests that is still running by then hangs; as for whole steps, a busy machine is waited for longer. */
const LIMIT = 10 * 60_000 * Number(process.env['INNERLOOP_PATIENCE'] ?? 1);

export interface Sanitizer {
  kind: Kind;
  /** Variables under which a Node process runs on the sanitized addon and prints its reports to stderr. */
  environment: Record<string, string>;
  /** Folder of the build; the native fuzz targets are in its folder `fuzz`. */
  build: string;
  /** Runs a Node script (or options and scripts) on the sanitized addon. */
  node(
    args: string[],
    env?: Record<string, string>,
  ): Promise<{ status: number | null; output: string; reports: string[] }>;
}

/**
 * Builds the addon with a sanitizer and makes sure that it finds the planted bug. Slow the first time, then incremental.
 * @param quick a build of its own for the reduced run, without the fuzz targets
 */
export async function prepare(kind: Kind, quick = false): Promise<Sanitizer | { skipped: string }> {
  if (process.platform !== 'linux') return { skipped: 'sanitizers are run on Linux only' };
  const { flag, quickly, runtimes, options, planted } = SANITIZERS[kind];
  if (spawnSync('cmake', ['--version']).status !== 0) return { skipped: 'no cmake' };
  const preload: string[] = [];
  for (const name of runtimes) {
    const found = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout?.trim() ?? '';
    if (!found.startsWith('/')) return { skipped: `${compiler} has no ${name}` };
    preload.push(found);
  }
  const logs = mkdtempSync(join(tmpdir(), 'innerloop-sanitize-'));
  process.on('exit', () => rmSync(logs, { recursive: true, force: true }));
  // node-gyp-build takes the folder of this variable for the package's.
  const home = join(root, 'build', 'sanitize', quick ? `${kind}-quick` : kind);
  const binary = join(home, 'build', 'Release', 'innerloop.node');
  let runs = 0;
  const node: Sanitizer['node'] = (args, env = {}) => {
    const log = join(logs, `${kind}-${++runs}`);
    mkdirSync(log);
    const environment = {
      ...process.env,
      INNERLOOP_PREBUILD: home,
      LD_PRELOAD: preload.join(':'),
      ...options(join(log, 'report')),
      ...env,
    };
    return new Promise((done) => {
      execFile(
        process.execPath,
        ['--import', pathToFileURL(join(root, 'test', 'sanitize', 'node-alone.mjs')).href, ...args],
        { cwd: root, env: environment, maxBuffer: 1 << 28, encoding: 'utf8', timeout: LIMIT, killSignal: 'SIGKILL' },
        (error, stdout, stderr) => {
          const status = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
          done({
            status,
            output: stdout + stderr,
            reports: reportsIn(
              kind,
              readdirSync(log)
                .map((name) => readFileSync(join(log, name), 'utf8'))
                .join('\n'),
              binary,
            ),
          });
        },
      );
    });
  };
  // ThreadSanitizer needs its memory where the kernel may have put something else.
  const plain = await node(['-e', '0']);
  if (plain.status !== 0)
    return { skipped: `Node does not start under ${runtimes.join(', ')}: ${plain.output.slice(0, 200)}` };

  const require = createRequire(join(root, 'package.json'));
  const cmake = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  const settings = [
    '-d',
    root,
    '-O',
    join(home, 'build'),
    '--parallel',
    String(availableParallelism()),
    `--CDINNERLOOP_SANITIZE=${flag}`,
    ...(quick ? [`--CDINNERLOOP_SANITIZE_FLAGS=${quickly}`] : kind === 'address' ? ['--CDINNERLOOP_FUZZ=ON'] : []),
  ];
  // A build folder that is there already is not configured again by building.
  for (const command of ['configure', 'build']) {
    const ran = spawnSync(process.execPath, [cmake, command, ...settings], { encoding: 'utf8', maxBuffer: 1 << 28 });
    assert.equal(ran.status, 0, `the build with ${flag} failed:\n${ran.stdout}\n${ran.stderr}`);
  }

  const library = join(logs, `planted-${kind}.so`);
  const source = join(root, 'test', 'sanitize', 'planted.cc');
  const bug = spawnSync(
    compiler,
    ['-std=c++20', '-shared', '-fPIC', '-O1', `-fsanitize=${kind}`, '-pthread', '-o', library, source],
    { encoding: 'utf8' },
  );
  assert.equal(bug.status, 0, bug.stderr);
  const { reports } = await node([
    '-e',
    `try { process.dlopen({ exports: {} }, ${JSON.stringify(library)}) } catch {}`,
  ]);
  assert.ok(
    reports.some((report) => planted.test(report)),
    `${kind}: the planted bug was not found`,
  );
  const environment = { INNERLOOP_PREBUILD: home, LD_PRELOAD: preload.join(':'), ...options('stderr') };
  return { kind, environment, build: join(home, 'build'), node };
}

/**
 * Reports that concern us: any of the address kind; races between two accesses from the addon (or the planted library), but for
 * one: the counter of std::exception_ptr is decremented within the standard library, where ThreadSanitizer does not see that it is
 * atomic, so that it takes the last owner of an exception for a race with those who read it before.
 */
function reportsIn(kind: Kind, log: string, binary: string): string[] {
  if (kind === 'address') return log.trim() === '' ? [] : [symbolized(log, binary)];
  return log
    .split(/^={18}$/m)
    .filter((report) => {
      const [first = '', second = ''] = report.trim().split('\n\n');
      return [first, second].every((access) => /innerloop\.node|planted/.test(access));
    })
    .map((report) => symbolized(report, binary))
    .filter(
      (report) =>
        !/(?: in |#\d+ )(std::__exception_ptr::exception_ptr::_M_release|__cxa_)/.test(report.trim().split('\n\n')[0]),
    );
}

/** Names in place of the addon's addresses: the runtimes do not read what is loaded later than they are. */
function symbolized(report: string, binary: string): string {
  const addresses = [...new Set([...report.matchAll(/innerloop\.node\+(0x[0-9a-f]+)/g)].map(([, address]) => address))];
  if (addresses.length === 0) return report;
  const { stdout } = spawnSync('addr2line', ['-Cfpe', binary, ...addresses], { encoding: 'utf8' });
  const names = new Map((stdout ?? '').split('\n').map((name, i) => [addresses[i], name]));
  return report.replace(
    /<null> <null> \(innerloop\.node\+(0x[0-9a-f]+)\)/g,
    (frame, address: string) => `in ${names.get(address) ?? frame}`,
  );
}

export interface Counts {
  files: number;
  passed: number;
  skipped: number;
}

/** Compiled test files on the sanitized addon. */
export async function runFiles(
  { kind, node }: Sanitizer,
  isWanted: (file: string) => boolean,
  env: Record<string, string> = {},
): Promise<Counts> {
  const folder = join(root, 'dist', 'test');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll(sep, '/'))
    .filter((name) => name.endsWith('.test.js') && isWanted(name))
    .sort();
  const total: Counts = { files: files.length, passed: 0, skipped: 0 };
  assert.ok(files.length > 0, 'no test file is wanted');
  const failures: string[] = [];
  const lane = async (): Promise<void> => {
    for (let name = files.shift(); name !== undefined; name = files.shift()) {
      const { status, output, reports } = await node([join(folder, name)], { TAP_TIMEOUT: '0', ...env });
      for (const report of reports) failures.push(`${name}: ${report.slice(0, 6000)}`);
      const file = readTap(output, status ?? 'a signal, or its time was up');
      for (const test of file.failed) failures.push(`${name}: ${test.name}\n${test.details}`);
      total.passed += file.passed.length;
      total.skipped += file.skipped.length;
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, lane));
  assert.ok(failures.length === 0, `${kind}, after ${total.passed} tests passed: ${failures.join('\n')}`);
  assert.ok(total.passed > 0, 'no test passed');
  return total;
}

/** Everything that can run under a sanitizer. */
export const isSanitized: Record<Kind, (file: string) => boolean> = {
  address: (file) => !isAmong(file, NOT_SANITIZED),
  thread: (file) => isAmong(file, SANITIZED_THREADS) && !isAmong(file, NOT_SANITIZED),
};
