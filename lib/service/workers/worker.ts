/** A worker thread of the service: it has the model and computes answers. Its queries are answered by the service's database. */
import { parentPort, workerData } from 'node:worker_threads';
import { InnerloopError } from '../../foundation/errors.js';
import { Answers } from '../answers.js';
import type { Records } from '../answers.js';
import { Engine } from '../engine/engine.js';
import type { Database, Row } from '../state/database.js';
import { State } from '../state/state.js';
import { errorOf, faultOf } from './messages.js';
import type { FromWorker, ToWorker, WorkerSettings } from './messages.js';

const port = parentPort!;
const { model, engine: options, experiments, database: kind, held } = workerData as WorkerSettings;
const tell = (message: FromWorker) => port.postMessage(message);

let next = 0;
const queries = new Map<number, { resolve: (rows: Row[]) => void; reject: (error: Error) => void }>();
const isReader = () => new InnerloopError('UNSUPPORTED', 'a worker thread only reads the state');
const asking =
  (by: 'all' | 'scan'): Database['all'] =>
  (sql, params = []) =>
    new Promise<Row[]>((resolve, reject) => {
      queries.set(++next, { resolve, reject });
      tell({ kind: 'query', query: next, by, sql, params });
    });
const database: Database | undefined = kind && {
  kind,
  all: asking('all'),
  scan: asking('scan'),
  transaction: () => Promise.reject(isReader()),
  close: () => Promise.resolve(),
};
const state = database && new State(database);
const aborts = new Map<number, AbortController>();
/** People that are held, their bytes, and how many were evicted, for the metrics of the service. */
const counts = new Float64Array(held);

const loaded = Engine.load(model, state, options).then((engine) => {
  const records: Records = { add: (list) => tell({ kind: 'list', list }) };
  return new Answers(engine, experiments, state && records);
});

port.on('message', (message: ToWorker) => {
  if (message.kind === 'rows' || message.kind === 'no rows') {
    const query = queries.get(message.query)!;
    queries.delete(message.query);
    if (message.kind === 'rows') query.resolve(message.rows);
    else query.reject(errorOf(message.fault));
  } else if (message.kind === 'abort') aborts.get(message.id)?.abort();
  // What changes while the model is loaded takes effect after it, in order. If loading fails, the thread ends.
  else
    void loaded.then(
      (answers) => handle(answers, message),
      () => undefined,
    );
});

loaded.then(
  ({ engine }) => tell({ kind: 'ready', name: engine.name }),
  (error: unknown) => tell({ kind: 'failed', fault: faultOf(error) }),
);

type Handled = Exclude<ToWorker, { kind: 'rows' | 'no rows' | 'abort' }>;

function handle(answers: Answers, message: Handled): void {
  const { people } = answers.engine;
  const note = () => counts.set([people.held.people, people.held.bytes, people.held.evicted]);
  if (message.kind === 'forget') people.forget(message.user);
  else if (message.kind === 'clear') people.clear();
  else {
    const { id } = message;
    const work = message.kind === 'items' ? answers.engine.putItems(message.items) : compute(answers, message);
    void work
      .then(
        (answer: unknown) => (note(), tell({ kind: 'answer', id, answer })),
        (error: unknown) => (note(), tell({ kind: 'fault', id, fault: faultOf(error) })),
      )
      .finally(() => aborts.delete(id));
    return;
  }
  note();
}

function compute(answers: Answers, { id, name, body }: Extract<ToWorker, { kind: 'ask' }>): Promise<unknown> {
  const abort = new AbortController();
  aborts.set(id, abort);
  // The name and the body belong together by the type of the message, which TypeScript does not follow through the call.
  return (answers[name] as (body: unknown, signal: AbortSignal) => Promise<unknown>).call(answers, body, abort.signal);
}
