import { checkInteger, invalid } from '../../foundation/check.js';
import type { InputSpec } from '../../foundation/contract.js';
import type { Program } from '../layer-program.js';
import type { Body } from './body.js';

const dimOf = (input: InputSpec): number | undefined => input.dim;

/**
 * Factorization machine of the second order: ŷ = b + Σ x_i w_i + Σ_{i<j} x_i x_j ⟨v_i, v_j⟩ (Rendle 2010). A categorical id is
 * a feature of value 1, each of a bag's n ids one of value 1/n (`mean`) or 1 (`sum`), a dense input a feature for each value.
 * Parameters `linear.bias`, `linear.<input>.weight` and `embedding.<input>.weight`.
 */
export const fm: Body<Record<never, never>> = {
  doc: 'Factorization machine of the second order over all inputs, each with a dim, the same for all (Rendle 2010).',
  options: {},

  oneOutput: true,

  check(_body, _field, inputs) {
    inputs.forEach((input, i) => {
      checkInteger(dimOf(input), `model.inputs[${i}].dim`, 1, 65536);
      const [first] = inputs;
      if (dimOf(input) !== dimOf(first))
        throw invalid(`model.inputs[${i}].dim`, 'differs', dimOf(input), `${dimOf(first)}, as that of ${first.name}`);
    });
  },

  build(program) {
    const all = program.inputs.map((_, i) => i);
    const pairs = program.layer('pairs', [], 1, tables(program, 'embedding', dimOf(program.inputs[0])!), all);
    const terms = program.layer('terms', [], 1, tables(program, 'linear', 1), all);
    return program.sum([terms, pairs], 'linear.bias');
  },
};

/** A table of rows for each feature: by id, or by value of a dense input. */
function tables(program: Program, name: string, width: number): number[] {
  const deviation = name === 'linear' ? 0.01 : 0.1;
  return program.inputs.map((input) => {
    const full = `${name}.${input.name}.weight`;
    const initial = { kind: 'normal', deviation } as const;
    return input.kind === 'dense'
      ? program.tensor(full, [input.size, width], initial)
      : program.table(full, input, width, initial);
  });
}
