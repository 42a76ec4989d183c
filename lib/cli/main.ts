#!/usr/bin/env node
/** The command line: a thin shell over the API. Commands load their modules when they run, so that --version is quick. */
import { resolve } from 'node:path';
import { Command, CommanderError } from 'commander';
import { InnerloopError } from '../foundation/errors.js';
import type { DeviceOption } from '../foundation/device.js';
import { asUsage, collect, device, EXIT, given, integer, need, overridden, readConfig } from './arguments.js';
import { compare, tune } from './experiments.js';
import type { CommandContext, CompareArguments, TuneArguments } from './experiments.js';
import { openConsole, shellWord } from './output.js';
import type { Ranks } from './ranks.js';
import { addServiceCommands } from './service-commands.js';
import { addReadingFlags } from './reading-flags.js';
import type { ReadingFlags } from './reading-flags.js';
import { packageVersion as version } from '../learner/manifest.js';

const CONFIG = '-c, --config <file>';
const MODEL = '-m, --model <file>';

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
const SIGNALS = { SIGINT: 2, SIGTERM: 15 } as const;
let interruptedBy: keyof typeof SIGNALS = 'SIGINT';

function onInterrupt(name: keyof typeof SIGNALS): void {
  interruptedBy = name;
  if (interrupt.signal.aborted) process.exit(EXIT.interrupted + SIGNALS[name]);
  process.stderr.write(`\n${ranks?.where() ?? ''}interrupted: finishing the step; again to quit at once\n`);
  interrupt.abort();
}

function build(): Command {
  const program = new Command('innerloop')
    .description('Meta-learning for recommenders: train, evaluate, recommend.')
    .version(version())
    .enablePositionalOptions()
    .showHelpAfterError('(innerloop help shows the commands)')
    .exitOverride();

  addReadingFlags(program.command('init'))
    .description('write a configuration for your files: columns are guessed from the whole files, and said')
    .argument('<ratings>', 'interactions: ratings, clicks, purchases')
    .argument('[tables...]', 'tables of items and of users')
    .option('-o, --output <file>', 'configuration to write (default: the name of the ratings, .json)')
    .option('-y, --yes', 'take every guess without asking')
    .option('--json', 'one JSON document on stdout')
    .action(init);

  addReadingFlags(program.command('inspect'))
    .description(
      "what is understood of files, or of a configuration's data: sizes, times, labels, features, what is dropped",
    )
    .argument('[files...]', 'interactions, then tables of items and of users')
    .option(CONFIG, 'configuration, in place of files')
    .option('--threads <n>', 'threads to use', integer(1))
    .option('--json', 'one JSON document on stdout')
    .action(inspect);

  program
    .command('train')
    .description('meta-train a model by a configuration file')
    .option(
      CONFIG,
      'configuration (JSON, with comments if you like, - for standard input; its schema: lib/cli/config.schema.json)',
    )
    .option('-o, --output <folder>', 'folder for the model and the results')
    .option('--resume', 'go on from the checkpoint of an interrupted run')
    .option('--fresh', 'start over, whatever the folder holds')
    .option('--epochs <n>', 'in place of training.epochs', integer(1))
    .option('--seed <n>', 'in place of seed', integer(0))
    .option('--threads <n>', 'threads to use; results do not depend on it', integer(1))
    .option('--device <name>', 'cpu, cuda or auto, in place of device', device)
    .option('--checkpoint-steps <n>', 'save the checkpoint after so many outer steps too', integer(1))
    .option('--ranks <n>', 'under mpirun: refuse another number of processes', integer(1))
    .option('--rank-timeout <s>', 'under mpirun: give a process up that does not answer (default: 60)', integer(1))
    .option('--json', 'JSON lines on stdout: one an epoch, then the result')
    .action(train);

  program
    .command('compare')
    .description('train many learners on the same tasks, beside baselines: one table of accuracy and cost')
    .option(CONFIG, 'configuration with learners; each overrides the rest of it')
    .option(
      '-o, --output <folder>',
      'folder for the table and the results of every run; runs that are done are not done again',
    )
    .option(
      '--tune <n>',
      'first try so many settings of each learner and baseline on the validation tasks of each split',
      integer(1),
    )
    .option('--seeds <n>', 'train every learner with so many seeds (default: those of the configuration)', integer(1))
    .option('--splits <n>', 'on so many splits, pooled (default: 1)', integer(1))
    .option('--jobs <n>', 'processes at a time; times are of a busy machine then (default: 1)', integer(1))
    .option('--only <names>', 'comma-separated learners of the configuration')
    .option('--fresh', 'run again what is done')
    .option('--epochs <n>', 'in place of training.epochs, for all learners', integer(1))
    .option('--threads <n>', 'threads to use; accuracy does not depend on it', integer(1))
    .option('--device <name>', 'cpu, cuda or auto, in place of device', device)
    .option('--json', 'JSON lines on stdout: one a run, then the comparison')
    .action((options: CompareArguments) => compare(options, context));

  program
    .command('tune')
    .description('choose options of all learners and baselines by validation tasks, each with the same budget')
    .option(CONFIG, 'configuration; its learners where it has some')
    .option('-o, --output <folder>', 'folder for what was tried and found; a search that was interrupted goes on')
    .option('--budget <n>', 'settings to try of each (default: 20)', integer(1))
    .option('--seeds <n>', 'train the settings of the last round with so many seeds (default: 1)', integer(1))
    .option('--splits <n>', 'on so many splits into training and validation tasks (default: 1)', integer(1))
    .option('--jobs <n>', 'processes at a time (default: half the hardware threads)', integer(1))
    .option('--only <names>', 'comma-separated learners of the configuration')
    .option('--fresh', 'begin the searches anew')
    .option('--epochs <n>', 'in place of training.epochs, for all learners', integer(1))
    .option('--threads <n>', 'threads of each process', integer(1))
    .option('--json', 'JSON lines on stdout: one a trial, then the result')
    .action((options: TuneArguments) => tune(options, context));

  program
    .command('scenario')
    .description('play a scenario: cold-start, few-shot, drift, cross-domain, negative-transfer, evidence')
    .argument('<name>', 'the scenario')
    .option(CONFIG, 'configuration; its learners where it has some, and scenarios for options')
    .option('-o, --output <folder>', 'folder for tables and figures')
    .option('--only <names>', 'comma-separated learners of the configuration')
    .option('--epochs <n>', 'in place of training.epochs, for all learners', integer(1))
    .option('--threads <n>', 'threads to use; results do not depend on it', integer(1))
    .option('--device <name>', 'cpu, cuda or auto, in place of device', device)
    .option('--json', 'JSON lines on stdout: one an epoch, then the result')
    .action(scenario);

  program
    .command('evaluate')
    .description('measure a saved model beside baselines')
    .option(MODEL, 'model.safetensors of a training run')
    .option(CONFIG, 'the configuration it was trained by')
    .option('-s, --sets <names>', 'comma-separated sets of the split (default: the test sets)')
    .option('--threads <n>', 'threads to use', integer(1))
    .option('--device <name>', 'cpu, cuda or auto, in place of device', device)
    .option('--json', 'one JSON document on stdout')
    .action(evaluate);

  program
    .command('report')
    .description('write a page about a run: results, intervals, curves, configuration; its figures as SVG files')
    .argument('<run>', 'folder of a training run, such as runs/demo')
    .option('-o, --output <file>', 'HTML file (default: report.html in that folder)')
    .option('--json', 'one JSON document on stdout')
    .action(report);

  program
    .command('recommend')
    .description('adapt a saved model to a few ratings and rank all items')
    .argument('[ratings...]', 'item=rating: an item id, or a part of a title')
    .option(MODEL, 'model.safetensors of a training run')
    .option('-r, --rating <item=rating>', 'the same, may be repeated', collect)
    .option(
      '--context <name=value>',
      'a feature of the interactions, where the model reads any; may be repeated; default: those of training',
      collect,
    )
    .option('-n, --count <n>', 'how many items (default: 10)', integer(1))
    .option('-t, --title <feature>', 'item feature that holds the title (default: title, if there is one)')
    .option('--json', 'one JSON document on stdout')
    .action(recommend);

  addServiceCommands(program, interrupt.signal);

  const demos = program
    .command('demo')
    .description('train on the bundled MovieLens data, compare with baselines, recommend for you')
    .argument('[ratings...]', 'item=rating, such as 1=5 or "Toy Story=5"')
    .option('-o, --output <folder>', 'folder for the model and the results (default: runs/demo)')
    .option('--web', 'a page where you rate films and see the list change, in place of a list')
    .option('-p, --port <n>', 'of the page (default: 8080; 0: a free one)', integer(0))
    .option('--threads <n>', 'threads to use', integer(1))
    .option('--json', 'JSON lines on stdout')
    .action(demo);
  demos
    .command('sinusoid')
    .description('the sinusoid regression of the MAML paper: 5 and 10 shots, under a minute')
    .option('--iterations <n>', 'outer steps of 25 tasks (default: 70000)', integer(1))
    .option('--seed <n>', 'of tasks and parameters (default: 1)', integer(0))
    .option('--json', 'one JSON document on stdout')
    .action(sinusoid);

  program
    .command('bench')
    .description('measure what first and second order cost on this machine')
    .option(
      '--vary <factors>',
      'support, width, depth, steps, tasks, threads, comma-separated, or all (default: the base case only)',
    )
    .option('--adapt <names>', "what adapts: all (default), last, or names such as 'mlp.0.*', comma-separated")
    .option('--precision <name>', 'float32 (default) or float64')
    .option('--quick', 'few rounds: to see that it works')
    .option('--html <file>', 'write a page with charts: one file, no network')
    .option('--threads <n>', 'threads to use', integer(1))
    .option('--seed <n>', 'of data and parameters (default: 1)', integer(0))
    .option('--json', 'one JSON document on stdout')
    .action(bench);

  program
    .command('doctor')
    .description('what this installation has: core, DuckDB, memory; and what to do where something lacks')
    .option('--json', 'one JSON document on stdout')
    .action(doctor);
  return program;
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
    ...given(options, ['output', 'epochs', 'seed', 'threads', 'device']),
    '--resume',
  ].join(' ');
  const { joinRanks } = await import('./ranks.js');
  ranks = await joinRanks({ processes: options.ranks, timeout: options.rankTimeout });
  await runTraining({
    config,
    output,
    start: options.resume ? 'resume' : options.fresh ? 'fresh' : 'new',
    console: openConsole(options.json === true),
    signal: interrupt.signal,
    group: ranks?.group,
  });
  await ranks?.group.leave();
}

const context: CommandContext = { signal: interrupt.signal, onInterrupt: (hint) => void (resumeHint = hint) };

async function scenario(
  given: string,
  options: Shared & { config?: string; output?: string; only?: string; epochs?: number },
): Promise<void> {
  const { runScenario, scenarioName } = await import('./scenario.js');
  const name = scenarioName(given);
  const path = need(options.config, CONFIG);
  const { readLearners } = await import('./learners.js');
  const { base, learners } = await asUsage(readLearners(path));
  const chosen = await overridden(base, learners, options);
  const { outputFolder } = await import('./train.js');
  const output = options.output === undefined ? outputFolder(base, path) : resolve(options.output);
  await runScenario({
    name,
    base,
    learners: chosen,
    output,
    console: openConsole(options.json === true),
    signal: interrupt.signal,
  });
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

async function demo(
  ratings: string[],
  { output, threads, json, web, port }: Shared & { output?: string; web?: true; port?: number },
): Promise<void> {
  const run = { output, threads, console: openConsole(json === true), signal: interrupt.signal };
  if (web === true) {
    const { runWebDemo } = await import('./demo-web.js');
    return runWebDemo({ ...run, port });
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
  await build().parseAsync();
} catch (error) {
  process.exitCode = exitWith(error);
  // The others wait for this process, and would for ever.
  if (ranks !== undefined) {
    process.stderr.write(`${ranks.where()}ends all processes\n`);
    ranks.group.abort(Number(process.exitCode) || EXIT.failure);
  }
}
