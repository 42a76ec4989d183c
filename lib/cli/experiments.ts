/** The commands that try many learners: `compare` and `tune`; `scenario` opens its configuration as they do. */
import { resolve } from 'node:path';
import type { JoinedProcesses } from '../distributed/mpi.js';
import type { DeviceOption } from '../foundation/device.js';
import { asUsage, CONFIG, given, need, overridden } from './arguments.js';
import type { ProtocolName } from './protocols.js';
import { openConsole, shellWord } from './output.js';

export interface CommandContext {
  signal: AbortSignal;
  /** The processes that run the command together, under mpirun; undefined without. */
  join: (command: string, options: { ranks?: number; rankTimeout?: number }) => Promise<JoinedProcesses | undefined>;
  /** What to type to go on, should the command be interrupted. */
  onInterrupt: (hint: string) => void;
  /** From now on the command serves: an interrupt waits for what is being answered, not for a step. */
  onServing: () => void;
}

interface Shared {
  config?: string;
  output?: string;
  seeds?: number;
  splits?: number;
  jobs?: number;
  only?: string;
  fresh?: true;
  epochs?: number;
  threads?: number;
  json?: true;
}
export interface CompareArguments extends Shared {
  tune?: number;
  protocol?: ProtocolName;
  device?: DeviceOption;
}
export interface TuneArguments extends Shared {
  budget?: number;
  ranks?: number;
  rankTimeout?: number;
}

/** The configuration with its learners, those that were chosen, and where the results go. */
export async function opened(
  options: Shared & { device?: DeviceOption; protocol?: ProtocolName },
  isComparison: boolean,
) {
  const path = need(options.config, CONFIG);
  const { readComparison, readLearners } = await import('./learners.js');
  const { protocol } = options;
  const comparison = await asUsage((isComparison ? readComparison : readLearners)(path, protocol));
  const learners = await overridden(comparison.base, comparison.learners, options);
  const { outputFolder } = await import('./train.js');
  const folder = outputFolder(comparison.base, path);
  const output =
    options.output === undefined ? `${folder}${protocol === undefined ? '' : `-${protocol}`}` : resolve(options.output);
  return {
    path,
    comparison,
    learners,
    output,
    fresh: options.fresh === true,
    console: openConsole(options.json === true),
  };
}

export async function compare(options: CompareArguments, { signal, onInterrupt }: CommandContext): Promise<void> {
  const { path, ...run } = await opened(options, true);
  const passed = given(options, [
    'output',
    'tune',
    'protocol',
    'seeds',
    'splits',
    'jobs',
    'only',
    'epochs',
    'threads',
    'device',
  ]);
  onInterrupt(['innerloop compare', `--config ${shellWord(path)}`, ...passed].join(' '));
  const { tune: budget, seeds, splits, jobs = 1, protocol } = options;
  const { runComparison } = await import('./compare.js');
  await runComparison({ ...run, protocol, tune: budget, seeds, splits, jobs, signal });
}

export async function tune(options: TuneArguments, { signal, onInterrupt, join }: CommandContext): Promise<void> {
  const { path, ...run } = await opened(options, false);
  const passed = given(options, ['output', 'budget', 'seeds', 'splits', 'jobs', 'only', 'epochs', 'threads']);
  onInterrupt(['innerloop tune', `--config ${shellWord(path)}`, ...passed].join(' '));
  const { DEFAULT_BUDGET, defaultJobs, runTuning } = await import('./tune.js');
  const { budget = DEFAULT_BUDGET, seeds = 1, splits = 1, jobs = defaultJobs() } = options;
  const group = await join('innerloop tune', options);
  await runTuning({ ...run, budget, seeds, splits, jobs, signal, ...(group && { group }) });
  await group?.leave();
}
