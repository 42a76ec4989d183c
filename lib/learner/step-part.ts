/** A step that several processes share: which tasks each packs and computes, and what it has to know of the others'. */
import type { NativeBatch, NativeWhole } from '../foundation/addon.js';
import type { OrderedGroup } from '../foundation/process-group.js';
import { sharesOf } from '../batch/task-batch.js';
import type { PackedPart } from '../batch/task-batch.js';
import type { Model } from '../model/model.js';

/** The tasks of a step as the core takes them: all, or a part of them where several processes share the step. */
export interface StepBatch {
  native: NativeBatch;
  shared?: { group: OrderedGroup; whole: NativeWhole; at: string };
}

/** Which of the tasks of a step are this process' own: `from … to − 1`, none where there are more processes than sums. */
export function ownPart(model: Model, tasks: number, { rank, size }: OrderedGroup): [from: number, to: number] {
  return model.ops.tasksOfPart(model.native, { tasks, part: rank, parts: size });
}

/**
 * What the parts of a step have to know of the whole, so that they are computed to the bits of one process. The exchange is asked for
 * at once, while the part is still being packed.
 *
 * @param at which step it is, should a process not answer
 */
export async function wholeOf(
  { ops, spec }: Model,
  packed: Promise<PackedPart>,
  tasks: number,
  group: OrderedGroup,
  at: string,
): Promise<NativeWhole> {
  const inputs = spec.inputs.length;
  const described = packed.then(({ native, weights = [] }) => {
    const { supportRows, queryRows, differs } = ops.describePart(native);
    return new Uint8Array(Float64Array.of(supportRows, queryRows, ...differs, ...weights).buffer);
  });
  const parts = (await group.allGather(described, at)).map((bytes) => new Float64Array(bytes.slice().buffer));
  const rowsBefore = parts.slice(0, group.rank).reduce((sum, [support, query]) => sum + support + query, 0);
  const weights = Float64Array.from(parts.flatMap((part) => Array.from(part.subarray(2 + inputs))));
  return {
    part: group.rank,
    parts: group.size,
    tasks,
    firstRow: rowsBefore,
    supportRows: parts.reduce((sum, [support]) => sum + support, 0),
    queryRows: parts.reduce((sum, [, query]) => sum + query, 0),
    differs: Uint8Array.from({ length: inputs }, (_, i) => (parts.some((part) => part[2 + i] === 1) ? 1 : 0)),
    ...(weights.length > 0 && { weights: sharesOf(weights) }),
  };
}
