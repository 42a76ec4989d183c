/**
 * How many requests the service answers, and how late: `node dist/bench/serve-load.js [--seconds 600] [--connections 50] [--workers 0] [--out FILE]`.
 *
 * The service is a process of its own; this one asks it over loopback. Closed loop: every connection sends its next request when the
 * last is answered, which finds the rate at which it is saturated. Open loop: requests are sent at half that rate whether or not
 * others were answered, and each is timed from when it was due, so that a service that stalls is not asked less (no coordinated
 * omission). `sessions`: ten interactions a request, adapted to and ranked over 10,000 items; `people`: every other request adds an
 * interaction of one of 50,000 people to the state, and the next asks for that person's list.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { addon, packageRoot } from '../lib/foundation/addon.js';
import { random } from '../lib/foundation/random.js';
import { LoadClient } from './load-client.js';
import { describeMachine } from './machine.js';
import { LOAD_ITEMS } from './served-learner.js';
import { median, quantile } from './statistics.js';

const PEOPLE = 50_000;

const HELP = `node dist/bench/serve-load.js [options]

  --seconds <s>        of all four loops together (600): of sessions and of people a closed and an open one
  --connections <n>    of the closed loops (50); an open one may have four times as many
  --workers <n>        worker threads of the service (0)
  --out <file>         writes the result as JSON
  --help
`;

export interface LoadResult {
  mix: 'sessions' | 'people';
  loop: 'closed' | 'open';
  seconds: number;
  requests: number;
  errors: number;
  perSecond: number;
  /** Milliseconds. */
  p50: number;
  p90: number;
  p99: number;
  max: number;
  /**
   * How late timers of one millisecond were in this process, in milliseconds, and its processor time for a request: requests wait for
   * it, too, and for the processor that it takes from the service. Undefined in results from before it was measured.
   */
  client?: { p50: number; p99: number; max: number; cpu: number };
}

/** @param perSecond requests that are sent a second, answered or not; undefined: one when a connection is free */
async function run(
  url: string,
  mix: LoadResult['mix'],
  seconds: number,
  connections: number,
  perSecond?: number,
): Promise<LoadResult> {
  // In an open loop more may be under way than there are connections in the closed one.
  const client = new LoadClient(url, perSecond === undefined ? connections : 4 * connections);
  const stream = random(Math.floor(seconds), `bench.load.${mix}`);
  const latencies: number[] = [];
  let errors = 0;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const cpu = process.cpuUsage();
  const started = performance.now();
  const one = async (n: number, due: number) => {
    const [path, body] = asked(mix, n, stream);
    // Timers have whole milliseconds, so that some requests are sent a little before they are due.
    const since = Math.min(due, performance.now());
    const status = await client.post(path, body);
    latencies.push(performance.now() - since);
    if (status !== 200) errors++;
  };
  let next = 0;
  if (perSecond === undefined) {
    const worker = async () => {
      while (performance.now() - started < 1000 * seconds) await one(next++, performance.now());
    };
    await Promise.all(Array.from({ length: connections }, worker));
  } else {
    const pending = new Set<Promise<void>>();
    for (;;) {
      const due = started + (1000 * next) / perSecond;
      if (due - started > 1000 * seconds) break;
      const early = due - performance.now();
      if (early > 1) {
        await wait(early);
        continue;
      }
      const asking = one(next++, due).finally(() => pending.delete(asking));
      pending.add(asking);
      if (next % 16 === 0) await new Promise((go) => setImmediate(go));
    }
    await Promise.all(pending);
  }
  const took = (performance.now() - started) / 1000;
  delay.disable();
  client.close();
  const { user, system } = process.cpuUsage(cpu);
  const at = (share: number) => Number(quantile(latencies, share).toFixed(2));
  // The histogram has nanoseconds between timers, of which one millisecond was wanted.
  const late = (nanoseconds: number) => Number(Math.max(0, nanoseconds / 1e6 - 1).toFixed(2));
  return {
    mix,
    loop: perSecond === undefined ? 'closed' : 'open',
    seconds: Number(took.toFixed(1)),
    requests: latencies.length,
    errors,
    perSecond: Math.round(latencies.length / took),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: at(1),
    client: {
      p50: late(delay.percentile(50)),
      p99: late(delay.percentile(99)),
      max: late(delay.max),
      cpu: Number(((user + system) / 1000 / latencies.length).toFixed(3)),
    },
  };
}

function asked(mix: LoadResult['mix'], n: number, stream: ReturnType<typeof random>): [path: string, body: object] {
  const interaction = () => ({ item: String(stream.below(LOAD_ITEMS)), value: 1 + stream.below(5) });
  if (mix === 'sessions')
    return ['/recommendations', { interactions: Array.from({ length: 10 }, interaction), count: 10 }];
  // The same person for both requests of a pair.
  const user = `p${(Math.floor(n / 2) * 7919) % PEOPLE}`;
  if (n % 2 === 0) return ['/interactions', { interactions: [{ user, ...interaction() }] }];
  return ['/recommendations', { user, count: 10 }];
}

export interface LoadReport {
  machine: ReturnType<typeof describeMachine>;
  connections: number;
  /** Worker threads of the service; undefined in results from before there were any. */
  workers?: number;
  results: LoadResult[];
  /** Of the service, in megabytes, over the whole time: resident, and of it the heap of JavaScript and what belongs to its objects. */
  memory: { seconds: number; resident: number; heap?: number; external?: number }[];
  /** Processor time of the service for a request, in milliseconds: what a busy machine disturbs least. */
  cpuPerRequest: number;
  /** That of the thread that takes the requests, where the system counts it: its inverse bounds the requests a second of one process. */
  mainPerRequest?: number;
  /** Runnable processes of the machine at the end. */
  load: string;
}

export async function measure(
  seconds: number,
  connections: number,
  say: (line: string) => void,
  workers = 0,
): Promise<LoadReport> {
  const machine = describeMachine(addon());
  const child = spawn(
    process.execPath,
    [join(packageRoot(), 'dist', 'bench', 'serve-load-server.js'), String(workers)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const url = await line(child);
  const memory: LoadReport['memory'] = [];
  const started = performance.now();
  const sample = async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    const megabytes = (name: string) =>
      Math.round(Number(new RegExp(`^innerloop_${name}_bytes (\\d+)`, 'm').exec(text)?.[1]) / 2 ** 20);
    memory.push({
      seconds: Math.round((performance.now() - started) / 1000),
      resident: megabytes('resident'),
      heap: megabytes('heap'),
      external: megabytes('external'),
    });
  };
  const sampler = setInterval(() => void sample().catch(() => undefined), Math.max(500, 20 * seconds));
  const results: LoadResult[] = [];
  let warmUp = 0;
  const record = async (...args: Parameters<typeof run>) => {
    const result = await run(...args);
    results.push(result);
    say(
      `${result.mix.padEnd(8)} ${result.loop.padEnd(6)} ${String(result.perSecond).padStart(6)}/s  p50 ${result.p50} ms  p90 ${result.p90} ms  p99 ${result.p99} ms  max ${result.max} ms  ${result.errors} errors; client late by ${result.client?.p50}/${result.client?.p99} ms, ${result.client?.cpu} ms a request`,
    );
    return result;
  };
  try {
    // What is compiled and cached once.
    warmUp = (await run(url, 'sessions', Math.min(3, seconds / 4), connections)).requests;
    for (const mix of ['sessions', 'people'] as const) {
      const { perSecond } = await record(url, mix, seconds / 4, connections);
      await record(url, mix, seconds / 4, connections, perSecond / 2);
    }
  } finally {
    clearInterval(sampler);
    child.kill('SIGTERM');
  }
  const [cpu, main] = (await line(child)).split(' ').map(Number);
  // The processor time is that of the whole process: of the warm-up, too.
  const requests = results.reduce((sum, result) => sum + result.requests, warmUp);
  const milliseconds = (processor: number) => Number(((1000 * processor) / requests).toFixed(3));
  return {
    machine,
    connections,
    workers,
    results,
    memory,
    cpuPerRequest: milliseconds(cpu),
    ...(Number.isFinite(main) && { mainPerRequest: milliseconds(main) }),
    load: loadavg()[0].toFixed(1),
  };
}

function line(child: ChildProcess): Promise<string> {
  return new Promise((done, fail) => {
    child.stdout!.setEncoding('utf8').once('data', (text: string) => done(text.trim()));
    child.once('exit', (code) => fail(new Error(`the service ended with ${code}`)));
  });
}

if (process.argv[1]?.endsWith('serve-load.js')) {
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean', default: false },
      seconds: { type: 'string', default: '600' },
      connections: { type: 'string', default: '50' },
      workers: { type: 'string', default: '0' },
      out: { type: 'string' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  for (const name of ['seconds', 'connections', 'workers'] as const) {
    const [text, least] = [values[name], name === 'workers' ? 0 : 1];
    if (/^\d+$/.test(text) && Number(text) >= least) continue;
    process.stderr.write(`serve-load: --${name}: not a whole number from ${least} on: ${text}\n`);
    process.exit(2);
  }
  const { seconds, connections, workers } = values;
  const report = await measure(Number(seconds), Number(connections), (text) => console.log(text), Number(workers));
  const quarters = [0, 1, 2, 3].map((q) => {
    const own = report.memory.slice((q * report.memory.length) / 4, ((q + 1) * report.memory.length) / 4);
    return Math.round(median(own.map(({ resident }) => resident)));
  });
  console.log(
    `${report.cpuPerRequest} ms of processor time a request, ${report.mainPerRequest ?? 'an unknown part'} of it in the thread that takes them; ${quarters.join(', ')} MB in the four loops; load of the machine ${report.machine.load} before, ${report.load} after`,
  );
  if (values.out !== undefined) {
    const { stdout } = spawnSync('git', ['-C', packageRoot(), 'rev-parse', '--short', 'HEAD'], { encoding: 'utf8' });
    const command = `node dist/bench/serve-load.js --seconds ${seconds} --connections ${connections} --workers ${workers}`;
    const run = { command, commit: stdout.trim(), date: new Date().toISOString().slice(0, 10) };
    // The pages' tables are made of it by `npm run docs:tables`.
    writeFileSync(values.out, `${JSON.stringify({ ...run, ...report }, null, 2)}\n`);
  }
  process.exitCode = report.results.some(({ errors }) => errors > 0) ? 1 : 0;
}
