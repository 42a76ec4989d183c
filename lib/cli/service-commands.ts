/** The commands of the service: serve, dump, restore. */
import type { Command } from 'commander';
import type { DeviceOption } from '../foundation/device.js';
import type { OptionSpec } from '../foundation/options.js';
import { SERVE_OPTIONS } from '../service/options.js';
import { device, integer, MODEL, need } from './arguments.js';
import type { CommandContext } from './experiments.js';
import { openConsole } from './output.js';

interface ServeArguments {
  model?: string;
  state?: string;
  host?: string;
  port?: number;
  token?: string;
  workers?: number;
  maxPeople?: number;
  maxMemory?: number;
  maxHistory?: number;
  maxRequests?: number;
  timeout?: number;
  retention?: number;
  segmentBy?: string;
  experiments?: string;
  logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  threads?: number;
  device?: DeviceOption;
  json?: true;
}

const STATE = 'innerloop.db';

/** What an option of the service is, as a line of help. */
function told(name: keyof typeof SERVE_OPTIONS): string {
  const { doc, default: standard, defaultDoc }: OptionSpec = SERVE_OPTIONS[name];
  const shown = defaultDoc ?? (typeof standard === 'string' ? standard : JSON.stringify(standard));
  const text = `${doc.charAt(0).toLowerCase()}${doc.slice(1).replace(/\.$/, '')}`;
  return shown === undefined ? text : `${text} (default: ${shown})`;
}

/** @param context whose signal ends a service in order */
export function addServiceCommands(program: Command, { signal, onServing }: CommandContext): void {
  program
    .command('serve')
    .description('serve a saved model over HTTP: adapts to whoever asks, inside the request (/openapi.json says how)')
    .option(MODEL, 'model.safetensors of a training run; SIGHUP reads it again')
    .option('-s, --state <where>', `a file for SQLite, postgres://…, or none (default: ${STATE})`)
    .option('--host <name>', told('host'))
    .option('-p, --port <n>', told('port'), integer(0))
    .option('--token <text>', 'that requests bring; better: INNERLOOP_TOKEN in the environment')
    .option('--workers <n>', told('workers'), integer(0))
    .option('--max-people <n>', told('maxPeople'), integer(1))
    .option('--max-memory <mb>', told('maxMemory'), integer(1))
    .option('--max-history <n>', told('maxHistory'), integer(1))
    .option('--max-requests <n>', told('maxRequests'), integer(1))
    .option('--timeout <ms>', told('timeout'), integer(1))
    .option('--retention <days>', told('retention'), integer(1))
    .option('--segment-by <column>', told('segmentBy'))
    .option('--experiments <file>', 'JSON: a list of { name, variants: [{ name, share, options }] }')
    .option('--log-level <level>', 'silent, error, warn, info or debug (default: info)')
    .option('--threads <n>', 'threads to use', integer(1))
    .option('--device <name>', 'cpu, cuda or auto', device)
    .option('--json', 'one JSON document on stdout when it serves')
    .action(async ({ json, ...options }: ServeArguments) => {
      const model = need(options.model, MODEL);
      const { runService } = await import('./serve.js');
      const console = openConsole(json === true);
      await runService({ options: { ...options, model, state: options.state ?? STATE }, console, signal, onServing });
    });

  program
    .command('dump')
    .description('write the state of a service as JSON Lines, for another database or release')
    .argument('<state>', 'a file of SQLite, or postgres://…')
    .option('-o, --output <file>', 'file to write')
    .option('--json', 'one JSON document on stdout')
    .action(async (state: string, { output, json }: { output?: string; json?: true }) => {
      const file = need(output, '-o, --output <file>');
      const { dumpState } = await import('./serve.js');
      await dumpState(state, file, openConsole(json === true));
    });

  program
    .command('restore')
    .description('fill a new state from a dump')
    .argument('<state>', 'a file for SQLite, or postgres://…')
    .argument('<dump>', 'file that dump wrote')
    .option('--json', 'one JSON document on stdout')
    .action(async (state: string, dump: string, { json }: { json?: true }) => {
      const { restoreState } = await import('./serve.js');
      await restoreState(state, dump, openConsole(json === true));
    });
}
