/** What the runner hands to a trial (argv[2], JSON) and what the trial prints back (one JSON line, then another). */
import type { Problem } from './matrix.js';

export interface TrialRequest {
  problem: Problem;
  /** File with the arrays. */
  data: string;
  steps: number;
  order: 1 | 2;
  learningRate: number;
  threads: number;
  /** Threads of a peer's matrix products, where not as many: small ones are slower on two. */
  blasThreads?: number;
  variant: string;
  /** How long to time; 0 checks only. */
  seconds: number;
}

/** A fingerprint of a result: enough to tell any two different gradients apart. */
export interface Check {
  loss: number;
  /** By tensor: sum, Euclidean norm, and the first, middle and last entry. */
  gradient: { sum: number; norm: number; entries: [number, number, number] }[];
}

export interface Timing {
  /** Wall seconds of each call. */
  calls: number[];
  /** Processor seconds of all threads over all timed calls. */
  cpu: number;
}

export function fingerprint(loss: number, gradient: readonly ArrayLike<number>[]): Check {
  return {
    loss,
    gradient: gradient.map((data) => {
      let sum = 0;
      let squares = 0;
      for (let i = 0; i < data.length; i++) {
        sum += data[i];
        squares += data[i] * data[i];
      }
      return { sum, norm: Math.sqrt(squares), entries: [data[0], data[data.length >> 1], data[data.length - 1]] };
    }),
  };
}

/** Where two fingerprints differ by more than the tolerance, relative to the tensor's norm; undefined if nowhere. */
export function difference(got: Check, want: Check, tolerance: number): string | undefined {
  const off = (name: string, a: number, b: number, scale: number) =>
    Math.abs(a - b) <= tolerance * scale ? undefined : `${name} is ${a.toPrecision(6)}, not ${b.toPrecision(6)}`;
  if (got.gradient.length !== want.gradient.length)
    return `${got.gradient.length} tensors, not ${want.gradient.length}`;
  return (
    off('loss', got.loss, want.loss, Math.abs(want.loss)) ??
    want.gradient
      .flatMap((w, t) => {
        const g = got.gradient[t];
        // An entry near 0 is measured against the norm, not against itself.
        return [
          off(`norm of tensor ${t}`, g.norm, w.norm, w.norm),
          off(`sum of tensor ${t}`, g.sum, w.sum, Math.max(Math.abs(w.sum), w.norm)),
          ...w.entries.map((e, i) =>
            off(`entry ${i} of tensor ${t}`, g.entries[i], e, Math.max(Math.abs(e), 0.01 * w.norm)),
          ),
        ];
      })
      .find((d) => d !== undefined)
  );
}

/** Calls `run` until the time is over, at least three times, after warming up for a third of it. */
export async function measure(seconds: number, run: () => unknown): Promise<Timing> {
  const until = (s: number, minimum: number, each: (seconds: number) => void) => {
    const end = performance.now() + 1000 * s;
    return (async () => {
      for (let i = 0; i < minimum || performance.now() < end; i++) {
        const start = performance.now();
        await run();
        each((performance.now() - start) / 1000);
      }
    })();
  };
  await until(seconds / 3, 2, () => {});
  const calls: number[] = [];
  const before = process.cpuUsage();
  await until(seconds, 3, (s) => calls.push(s));
  const { user, system } = process.cpuUsage(before);
  return { calls, cpu: (user + system) / 1e6 };
}

/** The body of a trial in Node.js. @param setup gives the loss and gradient of one call, and one call to time */
export async function runTrial(
  setup: (request: TrialRequest) => Promise<{ check: () => Promise<Check>; call: () => unknown }>,
): Promise<void> {
  const request = JSON.parse(process.argv[2]) as TrialRequest;
  const { check, call } = await setup(request);
  console.log(JSON.stringify(await check()));
  if (request.seconds > 0) console.log(JSON.stringify(await measure(request.seconds, call)));
}
