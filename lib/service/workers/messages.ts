/** What the service and its worker threads say to each other. */
import { InnerloopError } from '../../foundation/errors.js';
import type { ErrorCode } from '../../foundation/errors.js';
import type { AskedOf, Computed } from '../answers.js';
import type { EngineOptions } from '../engine/engine.js';
import type { Experiment } from '../experiments/experiments.js';
import type { GivenList } from '../recorder.js';
import type { Row, Value } from '../state/database.js';
import type { ItemRecord } from '../state/state.js';

/** What a worker is started with. */
export interface WorkerSettings {
  /** Path of the model file. */
  model: string;
  engine: EngineOptions;
  experiments: readonly Experiment[];
  /** The kind of the database whose queries the service answers; undefined if it keeps no state. */
  database: 'sqlite' | 'postgres' | undefined;
  /** Three numbers that the worker keeps up to date: people that it holds, their bytes, and how many it evicted. */
  held: SharedArrayBuffer;
}

/** To a worker. They take effect in the order in which they were sent. */
export type ToWorker =
  | { [N in Computed]: { kind: 'ask'; id: number; name: N; body: AskedOf<N> } }[Computed]
  | { kind: 'abort'; id: number }
  | { kind: 'items'; id: number; items: readonly ItemRecord[] }
  | { kind: 'forget'; user: string }
  | { kind: 'clear' }
  | { kind: 'rows'; query: number; rows: Row[] }
  | { kind: 'no rows'; query: number; fault: Fault };

/** From a worker. */
export type FromWorker =
  | { kind: 'ready'; name: string }
  | { kind: 'failed'; fault: Fault }
  | { kind: 'answer'; id: number; answer: unknown }
  | { kind: 'fault'; id: number; fault: Fault }
  | { kind: 'list'; list: GivenList }
  | { kind: 'query'; query: number; by: 'all' | 'scan'; sql: string; params: readonly Value[] };

/** An error as plain data, because structured clones of errors lose their class and fields. */
export interface Fault {
  message: string;
  stack: string | undefined;
  /** Of an `InnerloopError`. */
  own?: {
    code: ErrorCode;
    what: string;
    field: string | undefined;
    expected: string | undefined;
    status: number | undefined;
  };
}

export function faultOf(error: unknown): Fault {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  if (!(error instanceof InnerloopError)) return { message, stack };
  const { code, what, field, expected } = error;
  const status = 'status' in error ? Number(error.status) : undefined;
  return { message, stack, own: { code, what, field, expected, status } };
}

/** The error that a fault was made of, but for the value, which only the message shows. */
export function errorOf({ message, stack, own }: Fault): Error {
  const error =
    own === undefined
      ? new Error(message)
      : new InnerloopError(own.code, own.what, {
          ...(own.field !== undefined && { field: own.field }),
          ...(own.expected !== undefined && { expected: own.expected }),
        });
  return Object.assign(error, { message, stack, ...(own?.status !== undefined && { status: own.status }) });
}
