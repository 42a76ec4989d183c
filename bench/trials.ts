/** One trial: a fresh process, its fingerprint checked, its timing read. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Output {
  lines: unknown[];
  /** Why there are no more lines, where the process failed. */
  failure: string | undefined;
}

/** Longest trial: slow peers compile or interpret for a while. */
const TIME_LIMIT = 180_000;

/** Runs a program with a request as its last argument and collects the JSON lines it prints. */
export async function runProcess(
  command: readonly string[],
  request: unknown,
  env: Record<string, string>,
  timeLimit = TIME_LIMIT,
): Promise<Output> {
  const [program, ...args] = command;
  const child = spawn(program, [...args, JSON.stringify(request)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: unknown[] = [];
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4000)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    // Libraries greet on stdout too.
    if (line.startsWith('{')) lines.push(JSON.parse(line));
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), timeLimit);
  const failure = await new Promise<string | undefined>((done) => {
    child.on('error', (error) => done(error.message));
    child.on('close', (code, signal) => {
      if (code === 0) done(undefined);
      else if (signal === 'SIGKILL') done(`took longer than ${timeLimit / 1000} s`);
      else done(lastMessage(errors) ?? `ended with ${code ?? signal}`);
    });
  });
  clearTimeout(timer);
  return { lines, failure };
}

/** The line that says what went wrong: the `XyzError: …` line if there is one. */
function lastMessage(errors: string): string | undefined {
  const lines = errors
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return (lines.findLast((line) => /^\w*(Error|Exception)\b/.test(line)) ?? lines.at(-1))?.slice(0, 200);
}
