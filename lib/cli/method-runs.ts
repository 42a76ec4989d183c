/** What the processes of `compare` and `tune` say of a run: nothing measured yet, values task by task, or why it failed. */
import type { MethodRun } from '../compare/runs.js';
import type { MethodEvaluation } from '../evaluation/evaluate.js';
import { InnerloopError } from '../foundation/errors.js';

/** What a run without a training of its own has, before anything is measured. */
export const UNMEASURED = {
  sets: {},
  validation: {},
  trainSeconds: 0,
  memory: { peak: 0, data: 0 },
  adaptMicroseconds: null,
  parameters: null,
  epoch: null,
} satisfies Partial<MethodRun>;

/** Values of every metric by task; null, which JSON has, where one is not defined. */
export function perTask(metrics: MethodEvaluation['metrics']): Record<string, (number | null)[]> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, { perTask: values }]) => [
      name,
      Array.from(values, (value) => (Number.isFinite(value) ? value : null)),
    ]),
  );
}

/** An error as a message between processes. */
export function failureOf(error: unknown): { code: string; message: string } {
  if (error instanceof InnerloopError) return { code: error.code, message: error.message };
  return { code: 'FAILED', message: error instanceof Error ? error.message : String(error) };
}
