/** Options of `serve`, as a table. */
import { checkedLater, given } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { MODEL_OPTIONS } from '../model/inputs.js';

/** @internal */
export const SERVE_OPTIONS = {
  model: { kind: 'text', required: true, doc: 'File that `saveLearner` wrote.' },
  state: {
    kind: 'text',
    required: true,
    doc: 'A file for SQLite, `postgres://…`, or `none`: then only requests that bring their interactions are answered.',
  },
  host: { kind: 'text', default: '127.0.0.1', doc: 'Address to listen on: one that others reach needs a token.' },
  port: { kind: 'integer', min: 0, max: 65535, default: 8080, doc: 'Port to listen on; 0: a free one.' },
  token: {
    kind: 'text',
    defaultDoc: 'none',
    doc: 'What requests must bring; needed where others than this machine can reach the service.',
  },
  threads: MODEL_OPTIONS.threads,
  device: { ...MODEL_OPTIONS.device, doc: 'Where the model runs.' },
  maxPeople: { kind: 'integer', min: 1, default: 100_000, doc: 'Personal models held at most.' },
  maxMemory: {
    kind: 'number',
    min: 1,
    defaultDoc: 'a quarter of the memory that is free at the start',
    doc: 'Megabytes that personal models may take.',
  },
  maxHistory: {
    kind: 'integer',
    min: 1,
    max: 10_000,
    default: 200,
    doc: 'Latest interactions of a person that are adapted to.',
  },
  maxRequests: { kind: 'integer', min: 1, default: 256, doc: 'Requests at work at a time; more are refused with 429.' },
  timeout: { kind: 'integer', min: 1, default: 10_000, doc: 'Milliseconds after which a request is given up.' },
  logLevel: {
    kind: 'choice',
    of: ['silent', 'error', 'warn', 'info', 'debug'],
    default: 'info',
    doc: 'What is logged: info is every request.',
  },
  retention: { kind: 'number', above: 0, defaultDoc: 'never', doc: 'Days after which interactions are deleted.' },
  segmentBy: {
    kind: 'text',
    defaultDoc: 'none',
    doc: 'Column of people that divides them into groups for popularity.',
  },
  experiments: {
    ...given<unknown>('unknown'),
    check: checkedLater,
    doc: 'A list of experiments: { name, variants: [{ name, share, options }], successFrom }.',
  },
  page: {
    kind: 'boolean',
    default: false,
    doc: 'Also the page on which a visitor rates items and sees the list change, at `/`.',
  },
} as const satisfies OptionTable;
