/** Parameters that functions on plain parameters do not copy. */
import { checkModel } from '../batch/batch.js';
import type { Parameters } from '../foundation/contract.js';
import type { Model } from '../model/model.js';
import { ResidentParameters } from '../model/resident.js';

/**
 * Puts parameters where the core computes, to stay there. Every call on plain parameters copies them all, which is nothing for a small
 * network and 80 ms for a table of a million rows; a call on resident ones, with `tables: 'sparse'`, costs what the batch reads.
 *
 * ```ts
 * const params = residentParameters(model, model.initialize(1));
 * const { gradient } = await metaGradient(model, params, batch, innerLoop, { tables: 'sparse' });
 * params.add(gradient, -0.01);
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION
 */
export function residentParameters(model: Model, parameters: Parameters): ResidentParameters {
  checkModel(model);
  return new ResidentParameters(model, model.store(parameters, 'parameters'));
}
