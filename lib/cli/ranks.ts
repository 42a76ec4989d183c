/** A command that several processes run together, under `mpirun`. */
import { invalid } from '../foundation/check.js';
import { allGatherJson } from '../foundation/process-group.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import { isLaunchedByMpi, joinProcesses } from '../distributed/mpi.js';
import type { JoinedProcesses, JoinOptions } from '../distributed/mpi.js';

export interface Ranks {
  group: JoinedProcesses;
  /** Which process this is and what it was at, to begin a line with. */
  where(): string;
}

/**
 * The processes that a launcher has started; undefined where there is none.
 *
 * @param command as it is typed, without its options
 */
export async function joinRanks(command: string, { processes, timeout }: JoinOptions): Promise<Ranks | undefined> {
  if (!isLaunchedByMpi()) {
    if (processes === undefined || processes === 1) return undefined;
    throw invalid('--ranks', 'no launcher has started this process', processes, `mpirun -n ${processes} ${command} …`);
  }
  const joined = await joinProcesses({
    ...(processes !== undefined && { processes }),
    ...(timeout !== undefined && { timeout }),
  });
  let last = 'the start';
  const group: JoinedProcesses = {
    ...joined,
    allGather: (bytes, at) => joined.allGather(bytes, (last = at)),
  };
  const name = `rank ${joined.rank} of ${joined.size} on ${joined.hosts[joined.rank]}`;
  return { group, where: () => `${name}, at ${last}: ` };
}

/** What the process of rank 0 makes, for all of them. */
export async function ofFirst<R>(group: ProcessGroup | undefined, at: string, make: () => Promise<R>): Promise<R> {
  if (group === undefined) return make();
  const [first] = await allGatherJson(group, group.rank === 0 ? await make() : null, at);
  return first as R;
}
