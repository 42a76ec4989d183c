/** Metrics of the service in the text format of Prometheus. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Service } from '../service.js';

/** Upper bounds of the histogram's buckets, in seconds. */
const EDGES = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5] as const;

/** Counters of the operations, with their help texts. */
const COUNTERS = {
  refused_total: 'Requests refused because the limit of concurrent requests was reached.',
  lists_total: 'Recommendation lists by source.',
  interactions_total: 'Interactions added, without repeated ones.',
  interactions_answering_total: 'Interactions sent as answers to a recommendation.',
  imported_rows_total: 'Rows that imports loaded, by kind.',
} as const;
type Counter = keyof typeof COUNTERS;

export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #times = new Map<string, { buckets: number[]; sum: number; count: number }>();
  /** The values of each counter by its labels. */
  readonly #counts = new Map<Counter, Map<string, number>>();
  readonly #delay = monitorEventLoopDelay({ resolution: 10 });
  inFlight = 0;

  constructor() {
    this.#delay.enable();
  }

  request(operation: string, status: number, seconds: number): void {
    add(this.#requests, `operation="${operation}",status="${status}"`);
    let time = this.#times.get(operation);
    if (time === undefined) this.#times.set(operation, (time = { buckets: EDGES.map(() => 0), sum: 0, count: 0 }));
    EDGES.forEach((edge, k) => seconds <= edge && time.buckets[k]++);
    time.sum += seconds;
    time.count++;
  }

  /** Increases a counter. @param labels in the syntax of Prometheus, such as `source="history"` */
  count(name: Counter, labels = '', by = 1): void {
    let values = this.#counts.get(name);
    if (values === undefined) this.#counts.set(name, (values = new Map<string, number>()));
    add(values, labels, by);
  }

  text({ engine, held, pool, recorder, state }: Service): string {
    const { people, bytes, evicted } = held;
    const lines: string[] = [];
    const metric = (name: string, type: string, help: string, values: (readonly [labels: string, value: number])[]) => {
      lines.push(`# HELP innerloop_${name} ${help}`, `# TYPE innerloop_${name} ${type}`);
      for (const [labels, value] of values)
        lines.push(`innerloop_${name}${labels === '' ? '' : `{${labels}}`} ${value}`);
    };
    metric('requests_total', 'counter', 'Requests by operation and status.', [...this.#requests]);
    lines.push('# HELP innerloop_request_seconds Time to answer.', '# TYPE innerloop_request_seconds histogram');
    for (const [operation, { buckets, sum, count }] of this.#times) {
      const label = `operation="${operation}"`;
      EDGES.forEach((edge, k) => lines.push(`innerloop_request_seconds_bucket{${label},le="${edge}"} ${buckets[k]}`));
      lines.push(`innerloop_request_seconds_bucket{${label},le="+Inf"} ${count}`);
      lines.push(
        `innerloop_request_seconds_sum{${label}} ${sum}`,
        `innerloop_request_seconds_count{${label}} ${count}`,
      );
    }
    for (const [name, values] of this.#counts) metric(name, 'counter', COUNTERS[name], [...values]);
    const memory = process.memoryUsage();
    metric('requests_in_flight', 'gauge', 'Requests that are being worked on.', [['', this.inFlight]]);
    metric('people_held', 'gauge', 'Personal models in memory.', [['', people]]);
    metric('people_bytes', 'gauge', 'Bytes of memory that personal models take.', [['', bytes]]);
    metric('people_evicted_total', 'counter', 'Personal models evicted to make room for others.', [['', evicted]]);
    metric('model_info', 'gauge', 'The model that the service uses.', [[`model="${engine.name}"`, 1]]);
    metric('resident_bytes', 'gauge', 'Resident memory of the process.', [['', memory.rss]]);
    metric('heap_bytes', 'gauge', 'Memory of the JavaScript heap that is used.', [['', memory.heapUsed]]);
    metric('external_bytes', 'gauge', 'Memory of the process outside the JavaScript heap.', [['', memory.external]]);
    metric('event_loop_delay_seconds', 'gauge', 'Delay of the event loop since the last scrape.', [
      ['quantile="0.5"', this.#delay.percentile(50) / 1e9],
      ['quantile="0.99"', this.#delay.percentile(99) / 1e9],
    ]);
    this.#delay.reset();
    if (pool !== undefined) {
      const { ready, replaced } = pool.counts;
      metric('workers', 'gauge', 'Worker threads that compute answers.', [['', ready]]);
      metric('workers_replaced_total', 'counter', 'Worker threads that ended and were replaced.', [['', replaced]]);
      metric(
        'worker_utilization',
        'gauge',
        'Share of the time since the last scrape that the event loop of a worker thread was busy.',
        pool.utilizations().map((share, w) => [`worker="${w}"`, share] as const),
      );
    }
    if (state !== undefined)
      metric('writes_waiting', 'gauge', 'Writes that wait for the database.', [['', state.writer.waiting]]);
    if (recorder !== undefined)
      metric('recommendations_dropped_total', 'counter', 'Recommendations that were not recorded.', [
        ['', recorder.dropped],
      ]);
    return `${lines.join('\n')}\n`;
  }

  close(): void {
    this.#delay.disable();
  }
}

function add(counts: Map<string, number>, key: string, by = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + by);
}
