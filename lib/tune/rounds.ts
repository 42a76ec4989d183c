/**
 * Measurements of a search, several at a time and by one process or more. These tell each other in rounds what has ended and what each
 * could begin, and all of them deal out the next measurements by the same rule, so that nobody has to lead.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkNotAborted } from '../foundation/abort.js';
import { InnerloopError } from '../foundation/errors.js';
import { allGatherJson } from '../foundation/process-group.js';
import type { ProcessGroup } from '../foundation/process-group.js';

/**
 * Milliseconds until a process that waits for its own measurements answers the others, whatever it has to say: the shortest after a
 * round in which something had ended, twice as long after each in which nothing had, up to the longest.
 */
const PAUSE = { shortest: 5, longest: 320 } as const;

/** What a process tells the others in a round. */
interface Note<R> {
  /** Which measurements have ended, and what they gave. */
  ended: [at: number, result: R][];
  /** How many more it could have under way. */
  free: number;
  /** Why it goes no further. */
  stopped?: string;
}

export interface Rounds<R> {
  /** How many measurements there are. */
  count: number;
  /** Makes one of them; a failure ends the search. */
  measure: (at: number, signal: AbortSignal) => Promise<R>;
  /** Measurements that this process has under way, at most. */
  parallel: number;
  group: ProcessGroup | undefined;
  signal: AbortSignal | undefined;
  /** What the search is at, should a process not answer. */
  stage: string;
}

/**
 * Yields every measurement as it ends, in the same order in all processes. What is not JSON in a result is lost.
 *
 * @throws {InnerloopError} ABORTED; RANK where another process goes no further; whatever `measure` threw
 */
export async function* inRounds<R>(rounds: Rounds<R>): AsyncGenerator<[at: number, result: R], void, undefined> {
  const { count, measure, parallel, group, signal, stage } = rounds;
  const stop = new AbortController();
  const both = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const running = new Set<Promise<void>>();
  const ended: [number, R][] = [];
  const failures: unknown[] = [];
  const begin = (at: number) => {
    const run: Promise<void> = measure(at, both)
      .then(
        (result) => void ended.push([at, result]),
        (error: unknown) => void failures.push(error),
      )
      .then(() => void running.delete(run));
    running.add(run);
  };
  let [dealt, done] = [0, 0];
  let pause: number = PAUSE.shortest;
  try {
    while (done < count) {
      try {
        if (failures.length > 0) throw failures[0];
        checkNotAborted(signal, 'the search was aborted');
      } catch (error) {
        // The others would wait for this process until they give it up.
        const stopped = error instanceof Error ? error.message : String(error);
        await exchange<R>(group, { ended: [], free: 0, stopped }, stage).catch(() => undefined);
        throw error;
      }
      const own = { ended: ended.splice(0), free: parallel - running.size };
      const notes = await exchange<R>(group, own, `${stage}, ${done} of ${count} measured`);
      const rank = notes.findIndex(({ stopped }) => stopped !== undefined);
      if (rank >= 0)
        throw new InnerloopError('RANK', `ended the search: ${notes[rank].stopped}`, { field: `rank ${rank}` });
      const news = notes.flatMap((note) => note.ended);
      pause = news.length > 0 ? PAUSE.shortest : Math.min(2 * pause, PAUSE.longest);
      for (const result of news) {
        done++;
        yield result;
      }
      // What was interrupted meanwhile begins nothing more, and says so.
      if (signal?.aborted === true) continue;
      const free = notes.map((note) => note.free);
      // One each in turn, so that few measurements are spread over all processes.
      while (dealt < count && free.some((places) => places > 0))
        for (let r = 0; r < free.length && dealt < count; r++) {
          if (free[r]-- <= 0) continue;
          if (r === (group?.rank ?? 0)) begin(dealt);
          dealt++;
        }
      if (done < count && failures.length === 0 && ended.length === 0) await nextOf(running, group && pause);
    }
  } finally {
    stop.abort();
    await Promise.allSettled(running);
  }
}

/** Waits until a measurement has ended, or so many milliseconds. */
async function nextOf(running: ReadonlySet<Promise<void>>, pause: number | undefined): Promise<void> {
  if (pause === undefined) return Promise.race(running);
  const timer = new AbortController();
  try {
    await Promise.race([...running, sleep(pause, undefined, { signal: timer.signal })]);
  } finally {
    timer.abort();
  }
}

async function exchange<R>(group: ProcessGroup | undefined, note: Note<R>, at: string): Promise<Note<R>[]> {
  if (group === undefined) return [note];
  return allGatherJson(group, note, at);
}
