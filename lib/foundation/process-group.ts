/** Several processes that train one learner together; lib/distributed makes them. */
import { invalid } from './check.js';

/** Several processes that train one learner together, as `joinProcesses` returns them. */
export interface ProcessGroup {
  /** Of this process, from 0. */
  readonly rank: number;
  /** How many processes there are. */
  readonly size: number;
  /**
   * Hands bytes to all processes and takes theirs. All of them make the same calls in the same order.
   *
   * @param at where training is, for the message if a process does not answer
   * @returns by rank; this process' own are its argument
   * @throws {InnerloopError} RANK naming the processes that did not answer
   */
  allGather(bytes: Uint8Array, at: string): Promise<Uint8Array[]>;
}

/** @internal @throws {InnerloopError} INVALID_OPTION */
export function checkGroup(value: unknown, field: string): void {
  const { rank = -1, size = 0, allGather } = (value ?? {}) as Partial<ProcessGroup>;
  const isGroup =
    Number.isSafeInteger(size) &&
    Number.isSafeInteger(rank) &&
    rank >= 0 &&
    rank < size &&
    typeof allGather === 'function';
  if (!isGroup) throw invalid(field, 'not a group of processes', value, 'what joinProcesses returned');
}

/** A group whose exchanges follow each other in the order in which they were asked for. @internal */
export interface OrderedGroup extends ProcessGroup {
  /** @param bytes of this process; they may be still to come, and later exchanges wait for them */
  allGather(bytes: Uint8Array | Promise<Uint8Array>, at: string): Promise<Uint8Array[]>;
}

const ordered = new WeakMap<ProcessGroup, OrderedGroup>();

/**
 * Exchanges of different kinds may be asked for while one is under way, in the same order by all processes. What one of them could
 * not do, those after it do not do either: the processes would take one exchange for another.
 *
 * @internal
 */
export function inOrder(group: ProcessGroup): OrderedGroup {
  const known = ordered.get(group);
  if (known !== undefined) return known;
  let last: Promise<unknown> = Promise.resolve();
  const queue: OrderedGroup = {
    rank: group.rank,
    size: group.size,
    allGather(bytes, at) {
      // Bytes that cannot be made fail before their turn comes; whoever asked is told in turn.
      Promise.resolve(bytes).catch(() => undefined);
      const all = last.then(async () => group.allGather(await bytes, at));
      last = all;
      // Whoever asked is told; nobody may be waiting for the end of the queue.
      all.catch(() => undefined);
      return all;
    },
  };
  ordered.set(group, queue).set(queue, queue);
  return queue;
}

/** What every process has to say, by rank, as JSON: what is not JSON in it is lost. @internal */
export async function allGatherJson<T>(group: ProcessGroup, own: T, at: string): Promise<T[]> {
  const all = await group.allGather(Buffer.from(JSON.stringify(own)), at);
  return all.map((bytes) => JSON.parse(Buffer.from(bytes).toString()) as T);
}

/** What the process of rank 0 has. @internal */
export async function broadcast(group: ProcessGroup, bytes: Uint8Array, at: string): Promise<Uint8Array> {
  const [first] = await group.allGather(group.rank === 0 ? bytes : new Uint8Array(0), at);
  return first;
}

/** The numbers of all processes, each of which has made its own part of them and leaves the rest as it is. @internal */
export async function shareRanges(
  group: ProcessGroup,
  numbers: Float64Array,
  rangesOf: (rank: number) => [from: number, to: number][],
  at: string,
): Promise<void> {
  const width = numbers.BYTES_PER_ELEMENT;
  const own = rangesOf(group.rank);
  const bytes = new Uint8Array(own.reduce((sum, [from, to]) => sum + (to - from) * width, 0));
  let offset = 0;
  for (const [from, to] of own) {
    bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset + from * width, (to - from) * width), offset);
    offset += (to - from) * width;
  }
  const all = await group.allGather(bytes, at);
  const into = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  for (let rank = 0; rank < group.size; rank++) {
    if (rank === group.rank) continue;
    let read = 0;
    for (const [from, to] of rangesOf(rank)) {
      into.set(all[rank].subarray(read, read + (to - from) * width), from * width);
      read += (to - from) * width;
    }
  }
}
