/** `innerloop/service`: serves a model and its state over HTTP. Packages that only the service needs are installed separately. */
export { serve } from './serve.js';
export type { Running, ServeOptions } from './serve.js';
export { createClient, ServiceError } from './api/client.js';
export type { Client, ClientOptions } from './api/client.js';
export { openApi } from './api/openapi.js';
export { OPERATIONS } from './api/operations.js';
export type { AnswerOf, BodyOf, OperationName } from './api/operations.js';
export { openState, State } from './state/state.js';
export type { Interaction, ItemRecord, PersonRecord, RecommendationRecord } from './state/state.js';
export { exportLines, importLines } from './state/transfer.js';
export type { ImportReport } from './state/transfer.js';
export { dumpLines, restoreLines } from './state/dump.js';
export { sequentialTest } from './experiments/sequential.js';
export type { SequentialResult } from './experiments/sequential.js';
export type { Experiment, Variant, VariantResult } from './experiments/experiments.js';
