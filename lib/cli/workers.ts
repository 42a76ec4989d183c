/** Processes that take jobs one after the other, each the next that is free. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { InnerloopError } from '../foundation/errors.js';

interface Answer {
  id: number;
}
interface Waiting<A> {
  job: object & Answer;
  done: (answer: A) => void;
  fail: (error: Error) => void;
}

export class Workers<Job extends object & Answer, A extends Answer> {
  readonly #file: string;
  readonly #count: number;
  readonly #free: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  readonly #queue: Waiting<A>[] = [];

  constructor(file: string, count: number) {
    this.#file = file;
    this.#count = count;
  }

  /** @throws {InnerloopError} ABORTED; FAILED in words where the process ended without an answer, as one killed for its memory does */
  run(job: Job, signal: AbortSignal): Promise<A> {
    return new Promise<A>((done, fail) => {
      const aborted = () => fail(new InnerloopError('ABORTED', 'aborted', { cause: signal.reason }));
      if (signal.aborted) return aborted();
      signal.addEventListener('abort', aborted, { once: true });
      const ended = () => signal.removeEventListener('abort', aborted);
      this.#queue.push({ job, done: (answer) => (ended(), done(answer)), fail: (error) => (ended(), fail(error)) });
      this.#next();
    });
  }

  /** Ends the processes, whatever they do. */
  close(): void {
    for (const child of this.#all) child.kill('SIGKILL');
  }

  #next(): void {
    if (this.#queue.length === 0) return;
    const child = this.#free.pop() ?? (this.#all.size < this.#count ? this.#start() : undefined);
    if (child === undefined) return;
    const { job, done, fail } = this.#queue.shift()!;
    let complaint = '';
    const complain = (text: string) => (complaint = `${complaint}${text}`.slice(-2000));
    const settle = (answer: A) => {
      if (answer.id !== job.id) return;
      stopListening();
      this.#free.push(child);
      done(answer);
      this.#next();
    };
    const lost = (code: number | null, ending: NodeJS.Signals | null) => {
      stopListening();
      this.#all.delete(child);
      const reason = complaint.trim().split('\n').at(-1);
      fail(new Error(`the process ended with ${ending ?? `code ${code}`}${reason === '' ? '' : `: ${reason}`}`));
      this.#next();
    };
    const stopListening = () => {
      child.off('message', settle).off('close', lost);
      child.stderr!.off('data', complain);
    };
    child.on('message', settle).on('close', lost);
    child.stderr!.on('data', complain);
    child.send(job);
  }

  #start(): ChildProcess {
    const child = fork(this.#file, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    child.stderr!.setEncoding('utf8');
    this.#all.add(child);
    return child;
  }
}
