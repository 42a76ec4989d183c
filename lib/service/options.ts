/** The table of the options of `serve`, which checks, types and docs follow from. */
import { checkedLater, given } from '../foundation/options.js';
import type { OptionTable } from '../foundation/options.js';
import { MODEL_OPTIONS } from '../model/inputs.js';

/** @internal */
export const SERVE_OPTIONS = {
  model: { kind: 'text', required: true, doc: 'Path of a file that `saveLearner` wrote.' },
  state: {
    kind: 'text',
    required: true,
    doc: 'Where the state is kept: a file for SQLite, `postgres://…`, or `none`: then requests must bring their interactions.',
  },
  host: {
    kind: 'text',
    default: '127.0.0.1',
    doc: 'Address to listen on; one that other machines can reach needs a token.',
  },
  port: { kind: 'integer', min: 0, max: 65535, default: 8080, doc: 'Port to listen on; 0 takes a free one.' },
  token: {
    kind: 'text',
    defaultDoc: 'none',
    doc: 'Bearer token that requests must send; needed if other machines can reach the service.',
  },
  threads: MODEL_OPTIONS.threads,
  device: { ...MODEL_OPTIONS.device, doc: 'Where the model runs.' },
  workers: {
    kind: 'integer',
    min: 0,
    max: 256,
    default: 0,
    doc: 'Worker threads that compute answers, each with the model; 0 computes them in the thread of the server.',
  },
  maxPeople: { kind: 'integer', min: 1, default: 100_000, doc: 'The most personal models that are held in memory.' },
  maxMemory: {
    kind: 'number',
    min: 1,
    defaultDoc: 'a quarter of the memory that is free at the start',
    doc: 'Megabytes of memory that personal models may take.',
  },
  maxHistory: {
    kind: 'integer',
    min: 1,
    max: 10_000,
    default: 200,
    doc: "How many of a person's latest interactions the model adapts to.",
  },
  maxRequests: {
    kind: 'integer',
    min: 1,
    default: 256,
    doc: 'Requests that may run at a time; more are refused with status 429.',
  },
  timeout: { kind: 'integer', min: 1, default: 10_000, doc: 'Milliseconds after which a request is aborted.' },
  logLevel: {
    kind: 'choice',
    of: ['silent', 'error', 'warn', 'info', 'debug'],
    default: 'info',
    doc: 'What is logged; `info` logs every request.',
  },
  retention: {
    kind: 'number',
    above: 0,
    defaultDoc: 'never',
    doc: 'Days after which interactions and recommendations are deleted.',
  },
  segmentBy: {
    kind: 'text',
    defaultDoc: 'none',
    doc: 'Feature of people whose value is the group in which popularity is counted.',
  },
  experiments: {
    ...given<unknown>('unknown'),
    check: checkedLater,
    doc: 'A list of experiments: { name, variants: [{ name, share, options }], successFrom }.',
  },
  page: {
    kind: 'boolean',
    default: false,
    doc: 'Whether to serve, at `/`, a page on which a visitor rates items and sees the list change.',
  },
} as const satisfies OptionTable;
