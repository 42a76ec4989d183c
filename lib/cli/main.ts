#!/usr/bin/env node
/** The command line: a thin shell over the API. Commands load their modules when they run, so that --version is quick. */
import { resolve } from 'node:path';
import { CommanderError } from 'commander';
import { InnerloopError } from '../foundation/errors.js';
import type { DeviceOption } from '../foundation/device.js';
import { CONFIG, EXIT, given, MODEL, need, readConfig } from './arguments.js';
import { commands } from './commands.js';
import { opened } from './experiments.js';
import type { CommandContext } from './experiments.js';
import { openConsole, shellWord } from './output.js';
import type { Ranks } from './ranks.js';
import type { ReadingFlags } from './reading-flags.js';

interface Shared {
  json?: true;
  threads?: number;
  device?: DeviceOption;
}

/** Aborted by the first interrupt; the second one ends the process at once. */
const interrupt = new AbortController();
/** The processes that run this command together, under mpirun. */
let ranks: Ranks | undefined;
/** How to go on after an interrupt, where that is possible. */
let resumeHint: string | undefined;
/** What an interrupt waits for. */
let unfinished = 'finishing the step';
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;
let interruptedBy: keyof typeof SIGNALS = 'SIGINT';

function onInterrupt(name: keyof typeof SIGNALS): void {
  interruptedBy = name;
  if (interrupt.signal.aborted) process.exit(EXIT.interrupted + SIGNALS[name]);
  process.stderr.write(`\n${ranks?.where() ?? ''}interrupted: ${unfinished}; again to quit at once\n`);
  interrupt.abort();
}

async function join(command: string, options: { ranks?: number; rankTimeout?: number }) {
  const { joinRanks } = await import('./ranks.js');
  ranks = await joinRanks(command, { processes: options.ranks, timeout: options.rankTimeout });
  return ranks?.group;
}

async function init(
  ratings: string,
  tables: string[],
  { output, yes, json, ...flags }: ReadingFlags & { output?: string; yes?: true; json?: true },
): Promise<void> {
  const command = await import('./init.js');
  await command.runInit({
    files: [ratings, ...tables],
    flags,
    output,
    yes: yes === true,
    console: openConsole(json === true),
  });
}

async function inspect(
  files: string[],
  { json, threads, config: path, ...flags }: ReadingFlags & Shared & { config?: string },
): Promise<void> {
  if (files.length > 0 === (path !== undefined) || (path !== undefined && Object.keys(flags).length > 0))
    throw new CommanderError(
      EXIT.usage,
      'innerloop.usage',
      'error: inspect takes files and how they are read, or --config',
    );
  const config = path === undefined ? undefined : await readConfig(path, { threads });
  const { runInspection } = await import('./inspect.js');
  await runInspection({
    files,
    flags,
    config,
    threads,
    console: openConsole(json === true),
    signal: interrupt.signal,
  });
}

async function train(
  options: Shared & {
    config?: string;
    output?: string;
    resume?: true;
    fresh?: true;
    epochs?: number;
    seed?: number;
    checkpointSteps?: number;
    ranks?: number;
    rankTimeout?: number;
    shards?: string;
  },
): Promise<void> {
  if (options.resume && options.fresh)
    throw new CommanderError(EXIT.usage, 'innerloop.usage', 'error: --resume and --fresh exclude each other');
  const path = need(options.config, CONFIG);
  const config = await readConfig(path, options);
  if (options.epochs !== undefined) config.training.epochs = options.epochs;
  if (options.seed !== undefined) config.seed = options.seed;
  if (options.checkpointSteps !== undefined) config.training.checkpointSteps = options.checkpointSteps;
  const { outputFolder, runTraining } = await import('./train.js');
  const output = options.output === undefined ? outputFolder(config, path) : resolve(options.output);
  resumeHint = [
    'innerloop train',
    `--config ${shellWord(path)}`,
    ...given(options, ['output', 'epochs', 'seed', 'threads', 'device', 'shards']),
    '--resume',
  ].join(' ');
  const group = await join('innerloop train', options);
  const run = {
    config,
    output,
    start: options.resume ? 'resume' : options.fresh ? 'fresh' : 'new',
    console: openConsole(options.json === true),
    signal: interrupt.signal,
    group,
  } as const;
  if (options.shards === undefined) await runTraining(run);
  else {
    const { trainOnShards } = await import('./train-shards.js');
    await trainOnShards({ ...run, shards: resolve(options.shards) });
  }
  await group?.leave();
}

async function shard(
  options: Shared & {
    config?: string;
    output?: string;
    memory?: number;
    rows?: number;
    temporary?: string;
    fresh?: true;
    seed?: number;
  },
): Promise<void> {
  const config = await readConfig(need(options.config, CONFIG), options);
  const output = resolve(need(options.output, '-o, --output <folder>'));
  if (options.seed !== undefined) config.seed = options.seed;
  const { memory, rows, temporary, fresh } = options;
  const { runSharding } = await import('./shard.js');
  await runSharding({
    config,
    output,
    memory,
    rows,
    temporary,
    fresh: fresh === true,
    console: openConsole(options.json === true),
    signal: interrupt.signal,
  });
}

const context: CommandContext = {
  signal: interrupt.signal,
  join,
  onInterrupt: (hint) => void (resumeHint = hint),
  onServing: () => void (unfinished = 'answering what has come'),
};

async function scenario(
  given: string,
  options: Shared & { config?: string; output?: string; only?: string; epochs?: number },
): Promise<void> {
  const { runScenario, scenarioName } = await import('./scenario.js');
  const name = scenarioName(given);
  const { comparison, learners, output, console } = await opened(options, false);
  await runScenario({ name, base: comparison.base, learners, output, console, signal: interrupt.signal });
}

async function evaluate(options: Shared & { model?: string; config?: string; sets?: string }): Promise<void> {
  const model = need(options.model, MODEL);
  const config = await readConfig(need(options.config, CONFIG), options);
  const { runEvaluation } = await import('./evaluate.js');
  await runEvaluation({
    config,
    model,
    sets: options.sets?.split(',').map((name) => name.trim()),
    console: openConsole(options.json === true),
    signal: interrupt.signal,
  });
}

async function doctor({ json }: { json?: true }): Promise<void> {
  const { diagnose, render } = await import('./doctor.js');
  const findings = await diagnose();
  const console = openConsole(json === true);
  console.result(render(findings));
  console.json({ findings });
  if (findings.some(({ state }) => state === 'broken')) process.exitCode = EXIT.failure;
}

async function report(run: string, { output, json }: { output?: string; json?: true }): Promise<void> {
  const command = await import('./report.js');
  await command.report({ run, output, console: openConsole(json === true) });
}

async function recommend(
  positional: string[],
  options: Shared & { model?: string; rating?: string[]; context?: string[]; count?: number; title?: string },
): Promise<void> {
  const { recommendFromFile } = await import('./recommend.js');
  await recommendFromFile({
    ...options,
    model: need(options.model, MODEL),
    ratings: [...positional, ...(options.rating ?? [])],
    console: openConsole(options.json === true),
    signal: interrupt.signal,
  });
}

async function exportModel(
  positional: string[],
  options: Shared & { model?: string; output?: string; rating?: string[]; context?: string[]; title?: string },
): Promise<void> {
  const { exportFromFile } = await import('./export.js');
  await exportFromFile({
    ...options,
    model: need(options.model, MODEL),
    output: need(options.output, '-o, --output <file>'),
    ratings: [...positional, ...(options.rating ?? [])],
    console: openConsole(options.json === true),
    signal: interrupt.signal,
  });
}

async function demo(
  ratings: string[],
  { output, threads, json, web, port }: Shared & { output?: string; web?: true; port?: number },
): Promise<void> {
  const run = { output, threads, console: openConsole(json === true), signal: interrupt.signal };
  if (web === true) {
    const { runWebDemo } = await import('./demo-web.js');
    return runWebDemo({ ...run, port, onServing: context.onServing });
  }
  const { runDemo } = await import('./demo.js');
  await runDemo({ ...run, ratings });
}

async function sinusoid({ json, ...options }: { json?: true; iterations?: number; seed?: number }): Promise<void> {
  const { demoSinusoid } = await import('./demo-sinusoid.js');
  await demoSinusoid({ ...options, console: openConsole(json === true), signal: interrupt.signal });
}

async function bench({
  json,
  quick,
  ...options
}: Shared & {
  quick?: true;
  vary?: string;
  adapt?: string;
  precision?: string;
  html?: string;
  seed?: number;
}): Promise<void> {
  const command = await import('./bench.js');
  await command.bench({
    ...options,
    quick: quick === true,
    console: openConsole(json === true),
    signal: interrupt.signal,
  });
}

/** Prints an error as one line and says how to exit. */
function exitWith(error: unknown): number {
  if (error instanceof CommanderError) {
    // Commander has printed its own; help and --version end here too.
    if (error.code === 'innerloop.usage') process.stderr.write(`${error.message}\n`);
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (process.env['INNERLOOP_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  if (interrupt.signal.aborted) {
    process.stderr.write(resumeHint === undefined ? 'interrupted\n' : `interrupted; to go on: ${resumeHint}\n`);
    return EXIT.interrupted + SIGNALS[interruptedBy];
  }
  if (error instanceof InnerloopError) {
    process.stderr.write(`innerloop: ${error.code} ${error.message}\n`);
    const isUsage = 'isUsage' in error || error.code === 'INVALID_OPTION' || error.code === 'UNKNOWN_OPTION';
    return isUsage ? EXIT.usage : EXIT.failure;
  }
  process.stderr.write(
    `innerloop: ${error instanceof Error ? error.message : String(error)} (INNERLOOP_DEBUG=1 shows where)\n`,
  );
  return EXIT.failure;
}

process.on('SIGINT', () => onInterrupt('SIGINT'));
process.on('SIGTERM', () => onInterrupt('SIGTERM'));
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader has gone (`| head`): there is no one left to write to.
  process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.failure);
});

try {
  const actions = {
    init,
    inspect,
    train,
    shard,
    scenario,
    evaluate,
    report,
    recommend,
    exportModel,
    demo,
    sinusoid,
    bench,
    doctor,
  };
  await commands(actions, context).parseAsync();
} catch (error) {
  process.exitCode = exitWith(error);
  // The others wait for this process, and would for ever.
  if (ranks !== undefined) {
    process.stderr.write(`${ranks.where()}ends all processes\n`);
    ranks.group.abort(Number(process.exitCode) || EXIT.failure);
  }
}
