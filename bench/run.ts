/** `npm run bench`: checks that all contenders compute the same, then times them in turn, each trial in a fresh process. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addon, packageRoot } from '../lib/foundation/addon.js';
import { CASES, CONTENDERS, TOLERANCE } from './matrix.js';
import type { Case } from './matrix.js';
import { describeMachine } from './machine.js';
import { measureOurselves } from './measurements.js';
import { parseOptions } from './options.js';
import { findRunnable, installPeers } from './peers.js';
import type { Runnable } from './peers.js';
import { writeProblem } from './problem.js';
import { difference } from './protocol.js';
import type { Check, Timing, TrialRequest } from './protocol.js';
import { renderForms, renderMatrix, renderSummary, summarize } from './report.js';
import type { Row } from './report.js';
import { median } from './statistics.js';
import { runProcess } from './trials.js';

const options = parseOptions(process.argv.slice(2));
const root = packageRoot();
const compiled = dirname(fileURLToPath(import.meta.url));
const folders = { root, compiled };
const say = (text: string) => void (options.json ? process.stderr : process.stdout).write(`${text}\n`);
const note = (text: string) => void process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : '');

if (options.install) installPeers(root);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const machine = describeMachine(addon());
say(
  `${machine.cpu}, ${machine.threads} threads, ${machine.memory} GB; ${machine.system}; Node.js ${machine.node}; ${machine.isas.join(', ')}; load ${machine.load}`,
);
say(`innerloop ${version}${commit()}\n`);

const folder = mkdtempSync(join(tmpdir(), 'innerloop-bench-'));
try {
  const rows = await compare();
  const measured = await measureOurselves({ options, folders, folder, version, say, note });
  if (measured.forms !== undefined) say(renderForms(measured.forms));
  const summary = summarize(rows, measured);
  say(renderSummary(summary));
  const results = {
    machine,
    version,
    commit: commit().slice(2) || undefined,
    when: new Date().toISOString(),
    options: { rounds: options.rounds, seconds: options.seconds },
    rows,
    measured,
    summary,
  };
  const text = `${JSON.stringify(results, undefined, 2)}\n`;
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(join(root, 'bench', 'results', 'latest.json'), text);
  if (options.json) process.stdout.write(text);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A contender on a case with a number of threads. */
interface Entry {
  runnable: Runnable;
  case: Case;
  request: TrialRequest;
  /** By round. */
  timings: Timing[];
}

async function compare(): Promise<Row[]> {
  const cases = CASES.filter(({ name }) => options.cases.has(name));
  const rows: Row[] = [];
  const runnable: Runnable[] = [];
  for (const contender of CONTENDERS.filter(({ name }) => options.contenders.has(name))) {
    const found = findRunnable(contender, folders, version);
    if ('reason' in found) say(`skipped ${contender.name}: ${found.reason}`);
    else runnable.push(found);
  }
  if (cases.length === 0 || runnable.length === 0) return rows;

  const entries: Entry[] = [];
  for (const c of cases) {
    const data = join(folder, `${c.name}.f32`);
    writeProblem(data, c.problem);
    const common = { problem: c.problem, data, steps: c.steps, order: c.order, learningRate: c.learningRate };
    const want = await expected(common);
    for (const r of runnable) {
      for (const threads of r.contender.threads) {
        const request = { ...common, threads, variant: r.contender.variant ?? '', seconds: options.seconds / 2 };
        note(`checking ${c.name} ${r.contender.name}, threads ${threads}`);
        const { lines, failure } = await runProcess(r.command, request, r.env);
        const got = lines[0] as Check | undefined;
        const wrong = got === undefined ? undefined : difference(got, want, TOLERANCE);
        if (got === undefined || failure !== undefined || wrong !== undefined) {
          const reason = wrong === undefined ? `failed: ${failure ?? 'printed nothing'}` : `wrong: ${wrong}`;
          say(`${c.name} ${r.contender.name}, threads ${threads}: ${reason}`);
          rows.push({
            case: c.name,
            contender: r.contender.name,
            version: r.version,
            threads,
            outcome: wrong === undefined ? 'failed' : 'wrong',
            reason,
          });
          continue;
        }
        entries.push({
          runnable: r,
          case: c,
          request: { ...request, seconds: options.seconds },
          timings: [lines[1] as Timing],
        });
      }
    }
  }
  const timed = worthTiming(entries);
  for (const entry of timed) entry.timings = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const c of cases) {
      const turn = timed.filter((entry) => entry.case === c);
      // Another one begins each round, so that none always follows the same neighbour's heat.
      for (let i = 0; i < turn.length; i++) {
        const entry = turn[(i + round) % turn.length];
        const { runnable: r, request, timings } = entry;
        note(`round ${round + 1}/${options.rounds} ${c.name} ${r.contender.name}, threads ${request.threads}`);
        const { lines, failure } = await runProcess(r.command, request, r.env);
        if (lines.length < 2)
          throw new Error(
            `${c.name} ${r.contender.name} failed in round ${round + 1}: ${failure ?? 'printed too little'}`,
          );
        timings.push(lines[1] as Timing);
      }
    }
  }
  note('');
  rows.push(...timed.map(rowOf));
  say(renderMatrix(rows, cases));
  return rows;
}

/** The result of our float64 reference, which every contender must match. */
async function expected(common: Omit<TrialRequest, 'threads' | 'variant' | 'seconds'>): Promise<Check> {
  const command = [process.execPath, join(compiled, 'trials', 'innerloop.js')];
  const { lines, failure } = await runProcess(
    command,
    { ...common, threads: 1, variant: 'api:float64', seconds: 0 },
    { INNERLOOP_ISA: 'reference' },
  );
  if (lines.length === 0) throw new Error(`the float64 reference failed: ${failure ?? 'printed nothing'}`);
  return lines[0] as Check;
}

/** Of a contender's thread counts, those within a third of its best in the first look: one look is too noisy to decide. */
function worthTiming(entries: Entry[]): Entry[] {
  const took = (entry: Entry) => median(entry.timings[0].calls);
  return entries.filter((entry) => {
    const mine = entries.filter((other) => other.runnable === entry.runnable && other.case === entry.case);
    return took(entry) <= 1.33 * Math.min(...mine.map(took));
  });
}

function rowOf({ runnable, case: { name, problem }, request, timings }: Entry): Row {
  const wall = timings.map(({ calls }) => median(calls));
  return {
    case: name,
    contender: runnable.contender.name,
    isOurs: runnable.contender.runtime === 'ours',
    version: runnable.version,
    threads: request.threads,
    outcome: 'timed',
    tasksPerSecond: wall.map((s) => problem.tasks / s),
    tasksPerCpuSecond: timings.map(({ calls, cpu }) => (problem.tasks * calls.length) / cpu),
  };
}

function commit(): string {
  const { stdout, status } = spawnSync('git', ['-C', root, 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' });
  return status === 0 ? `, ${stdout.trim()}` : '';
}
