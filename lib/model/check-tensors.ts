/** Parameters as they are given: names, shapes and values. */
import { invalid } from '../foundation/check.js';
import type { Parameters, Tensor } from '../foundation/contract.js';
import { InnerloopError, suggesting } from '../foundation/errors.js';
import { isTyped } from '../foundation/typed-arrays.js';
import type { TensorSpec } from './layer-program.js';

/** Checks that `parameters` holds exactly these tensors (some of them, if `partial`) with these shapes. */
export function checkTensors(
  parameters: unknown,
  field: string,
  tensors: readonly Pick<TensorSpec, 'name' | 'shape'>[],
  partial = false,
): asserts parameters is Parameters {
  if (typeof parameters !== 'object' || parameters === null) {
    throw invalid(field, 'not an object', parameters, 'tensors by parameter name');
  }
  const given = parameters as Record<string, unknown>;
  const names = tensors.map(({ name }) => name);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    throw new InnerloopError('UNKNOWN_OPTION', suggesting('no such parameter', name, names), {
      field: `${field}.${name}`,
      expected: `one of ${names.join(', ')}`,
    });
  }
  for (const { name, shape } of tensors) {
    if (partial && !Object.hasOwn(given, name)) continue;
    const tensor = given[name] as Partial<Tensor> | undefined;
    const at = `${field}.${name}`;
    const expected = `a tensor of shape [${shape.join(', ')}]`;
    if (typeof tensor !== 'object' || tensor === null) throw invalid(at, 'missing', tensor, expected);
    if (
      !Array.isArray(tensor.shape) ||
      tensor.shape.length !== shape.length ||
      tensor.shape.some((n, i) => n !== shape[i])
    ) {
      throw invalid(`${at}.shape`, 'does not fit the model', tensor.shape, expected);
    }
    const { data } = tensor;
    if (!isTyped(data, 'Float32Array', 'Float64Array')) {
      throw invalid(`${at}.data`, 'not a float array', data, 'a Float32Array or Float64Array');
    }
    const size = shape.reduce((a, b) => a * b, 1);
    if (data.length !== size) throw invalid(`${at}.data`, `holds ${data.length} values`, data, `${size} values`);
  }
}
