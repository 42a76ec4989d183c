/** What the commands share in reading their command lines. */
import { CommanderError, InvalidArgumentError } from 'commander';
import { DEVICES } from '../foundation/device.js';
import type { DeviceOption } from '../foundation/device.js';
import { InnerloopError } from '../foundation/errors.js';
import type { Config } from './config.js';
import type { NamedLearner } from './learners.js';
import { shellWord } from './output.js';

/** Options that several commands need. */
export const CONFIG = '-c, --config <file>';
export const MODEL = '-m, --model <file>';

/** An interrupted command adds the number of the signal: 130 for Ctrl-C. */
export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 128 } as const;

export const integer = (min: number) => (text: string) => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min)
    throw new InvalidArgumentError(`Expected an integer ≥ ${min}.`);
  return value;
};
export function device(text: string): DeviceOption {
  const known = DEVICES.find((name) => name === text);
  if (known === undefined) throw new InvalidArgumentError(`Expected one of ${DEVICES.join(', ')}.`);
  return known;
}
export const collect = (text: string, earlier: string[] = []) => [...earlier, text];

/** Checked here, so that a misspelt option is named before one that is missing. */
export function need(value: string | undefined, option: string): string {
  if (value === undefined)
    throw new CommanderError(EXIT.usage, 'innerloop.usage', `error: required option '${option}' not specified`);
  return value;
}

/** Options as they were given, to be given again. */
export function given<O extends object>(options: O, names: readonly (keyof O & string)[]): string[] {
  return names.flatMap((name) =>
    options[name] === undefined ? [] : [`--${name} ${shellWord(String(options[name]))}`],
  );
}

/** What is wrong with a configuration is wrong use. */
export async function asUsage<R>(reading: Promise<R>): Promise<R> {
  return reading.catch((error: unknown) => {
    throw error instanceof InnerloopError ? Object.assign(error, { isUsage: true }) : error;
  });
}

/** What a command line says in place of its configuration, of where and how calls run. */
interface Running {
  threads?: number;
  device?: DeviceOption;
}

function override(config: Config, { threads, device }: Running): void {
  if (threads !== undefined) config.threads = threads;
  if (device !== undefined) config.device = device;
}

export async function readConfig(path: string, running: Running) {
  const config = await asUsage(import('./config.js').then((module) => module.readConfig(path)));
  override(config, running);
  return config;
}

/** Applies what the command line says of all learners, and chooses some. */
export async function overridden(
  base: Config,
  learners: NamedLearner[],
  { only, epochs, ...running }: Running & { only?: string; epochs?: number },
): Promise<NamedLearner[]> {
  for (const config of [base, ...learners.map((learner) => learner.config)]) {
    override(config, running);
    if (epochs !== undefined) config.training.epochs = epochs;
  }
  if (only === undefined) return learners;
  const { chooseLearners } = await import('./learners.js');
  return chooseLearners(
    learners,
    only.split(',').map((name) => name.trim()),
  );
}
