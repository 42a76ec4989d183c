/** `innerloop demo --web`: a page where a visitor rates films and sees the list change. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../foundation/addon.js';
import { serve } from '../service/serve.js';
import { readConfig } from './config.js';
import type { Console } from './output.js';
import { FILES } from './run-folder.js';
import { outputFolder, runTraining } from './train.js';

export async function runWebDemo(run: {
  output: string | undefined;
  port: number | undefined;
  threads: number | undefined;
  console: Console;
  signal: AbortSignal;
  onServing: () => void;
}): Promise<void> {
  const { console, signal, threads } = run;
  const path = join(packageRoot(), 'data', 'ml-latest-small.json');
  const config = await readConfig(path);
  if (threads !== undefined) config.threads = threads;
  const output = run.output ?? outputFolder(config, path);
  const model = join(output, FILES.model);
  if (existsSync(model)) console.note(`The model of ${output} serves; innerloop demo trains it anew.`);
  else {
    console.note('Meta-training on MovieLens latest-small: every user is a task, new users are held out.');
    await runTraining({ config, output, start: 'new', console, signal });
  }
  const running = await serve({
    model,
    state: 'none',
    port: run.port,
    threads,
    logLevel: 'warn',
    page: true,
  });
  run.onServing();
  console.result(`Rate films on ${running.url} (Ctrl-C ends it)`);
  console.json({ event: 'serving', url: running.url });
  if (!signal.aborted)
    await new Promise<void>((done) => signal.addEventListener('abort', () => done(), { once: true }));
  await running.close();
}
