/** The processes that `mpirun` started, as a group that trains one learner together. */
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../foundation/addon.js';
import { invalid } from '../foundation/check.js';
import { InnerloopError } from '../foundation/errors.js';
import { resolveOptions } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import type { ProcessGroup } from '../foundation/process-group.js';
import type { JoinOptions } from './option-types.js';

export type { JoinOptions };

/** The functions of native/mpi/mpi.cc. */
interface MpiAddon {
  start(): { rank: number; size: number; host: string; library: string };
  allGather(bytes: Uint8Array, seconds: number): Promise<Uint8Array[]>;
  abort(code: number): void;
  finish(): void;
}

/** @internal */
export const JOIN_OPTIONS = {
  timeout: {
    kind: 'number',
    above: 0,
    max: 1e6,
    default: 60,
    doc: 'Seconds after which a process that does not answer is given up, and the others end with it.',
  },
  processes: {
    kind: 'integer',
    min: 1,
    max: 65536,
    defaultDoc: 'however many there are',
    doc: 'How many processes are meant to take part; another number is refused.',
  },
} as const satisfies OptionTable;

/** The processes of one training. */
export interface JoinedProcesses extends ProcessGroup {
  /** Name of every process' machine, by rank. */
  readonly hosts: readonly string[];
  /** The MPI library and its version. */
  readonly library: string;
  /** Waits for all and leaves; nothing can be exchanged afterwards. */
  leave(): Promise<void>;
  /** Ends all processes at once, this one included, with an exit code that is not 0. */
  abort(code?: number): never;
}

/** By what launchers say in the environment: Open MPI, MPICH and Intel MPI, PMIx. */
const LAUNCHED = ['OMPI_COMM_WORLD_SIZE', 'PMI_SIZE', 'PMIX_RANK'];

/** @internal Whether this process was started by `mpirun`, `srun` or the like. */
export function isLaunchedByMpi(environment: NodeJS.ProcessEnv = process.env): boolean {
  return LAUNCHED.some((name) => environment[name] !== undefined);
}

/**
 * Joins the processes that `mpirun` has started with this one. Each of them runs the same program, with the same options and
 * data; what they exchange are sums of gradients and shares of evaluations.
 *
 * ```ts
 * const group = await joinProcesses();
 * for await (const { epoch, loss } of train(learner, tasks, { group })) if (group.rank === 0) console.log(epoch, loss);
 * await group.leave();
 * ```
 *
 * @throws {InnerloopError} UNSUPPORTED where the MPI addon was not built; RANK where their number is not `processes`, or one is silent
 */
export async function joinProcesses(options: JoinOptions = {}): Promise<JoinedProcesses> {
  const { timeout, processes } = resolveOptions(options, 'join', JOIN_OPTIONS);
  const mpi = load();
  const { rank, size, library } = mpi.start();
  if (processes !== undefined && processes !== size) {
    throw new InnerloopError('RANK', `${size} processes were started`, {
      field: 'join.processes',
      value: processes,
      expected: `mpirun -n ${processes}, or another number of processes`,
    });
  }
  let hosts: string[] = [];
  let busy = false;
  const allGather = async (bytes: Uint8Array, at: string): Promise<Uint8Array[]> => {
    if (busy) throw invalid('group', 'exchanges something already', at, 'one call at a time');
    busy = true;
    try {
      const all = await mpi.allGather(bytes, timeout);
      all[rank] = bytes;
      return all;
    } catch (cause) {
      throw failed(cause, at, timeout, hosts);
    } finally {
      busy = false;
    }
  };
  hosts = (await allGather(Buffer.from(hostname()), 'the start')).map((bytes) => Buffer.from(bytes).toString());
  return {
    rank,
    size,
    hosts,
    library,
    allGather,
    async leave() {
      await allGather(new Uint8Array(0), 'the end');
      mpi.finish();
    },
    abort(code = 1): never {
      mpi.abort(code);
      process.exit(code);
    },
  };
}

function failed(cause: unknown, at: string, timeout: number, hosts: readonly string[]): InnerloopError {
  const { ranks = [], message } = cause as { ranks?: number[]; message: string };
  if (ranks.length === 0) return new InnerloopError('RANK', message, { field: at, cause });
  const names = ranks.map((rank) => `rank ${rank}${hosts[rank] === undefined ? '' : ` on ${hosts[rank]}`}`);
  const shown = names.length > 8 ? `${names.slice(0, 8).join(', ')} and ${names.length - 8} more` : names.join(', ');
  return new InnerloopError('RANK', `${shown} did not answer within ${timeout} s, at ${at}`, {
    field: 'group',
    expected: 'every process to come this far: one that is stopped, lost or far slower ends the run (--rank-timeout)',
    cause,
  });
}

function load(): MpiAddon {
  const path = process.env['INNERLOOP_MPI'] ?? join(packageRoot(), 'build', 'mpi', 'innerloop_mpi.node');
  try {
    return createRequire(import.meta.url)(path) as MpiAddon;
  } catch (cause) {
    throw new InnerloopError('UNSUPPORTED', 'several processes need the MPI addon, which could not be loaded', {
      field: path,
      expected: 'npm run build:mpi (with MPI installed: on Debian, apt-get install openmpi-bin libopenmpi-dev)',
      cause,
    });
  }
}
