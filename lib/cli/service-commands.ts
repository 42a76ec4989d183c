/** The commands of the service: serve, dump, restore. */
import type { Command } from 'commander';
import type { DeviceOption } from '../foundation/device.js';
import { device, integer, MODEL, need } from './arguments.js';
import type { CommandContext } from './experiments.js';
import { openConsole } from './output.js';

interface ServeArguments {
  model?: string;
  state?: string;
  host?: string;
  port?: number;
  token?: string;
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

/** @param context whose signal ends a service in order */
export function addServiceCommands(program: Command, { signal, onServing }: CommandContext): void {
  program
    .command('serve')
    .description('serve a saved model over HTTP: adapts to whoever asks, inside the request (/openapi.json says how)')
    .option(MODEL, 'model.safetensors of a training run; SIGHUP reads it again')
    .option('-s, --state <where>', `a file for SQLite, postgres://…, or none (default: ${STATE})`)
    .option('--host <name>', 'address to listen on (default: 127.0.0.1; others need a token)')
    .option('-p, --port <n>', 'port (default: 8080; 0: a free one)', integer(0))
    .option('--token <text>', 'that requests bring; better: INNERLOOP_TOKEN in the environment')
    .option('--max-people <n>', 'personal models held at most (default: 100000)', integer(1))
    .option('--max-memory <mb>', 'megabytes that they may take (default: a quarter of what is free)', integer(1))
    .option('--max-history <n>', 'latest interactions of a person that are adapted to (default: 200)', integer(1))
    .option('--max-requests <n>', 'requests at work at a time, before 429 (default: 256)', integer(1))
    .option('--timeout <ms>', 'of a request (default: 10000)', integer(1))
    .option('--retention <days>', 'after which interactions are deleted (default: never)', integer(1))
    .option('--segment-by <column>', 'column of people by whose values popularity is counted in groups')
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
