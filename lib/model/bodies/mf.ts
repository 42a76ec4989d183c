import { invalid } from '../../foundation/check.js';
import type { OptionTable } from '../../foundation/options.js';
import { idInput, idOption } from './body.js';
import type { Body } from './body.js';

const OPTIONS = { user: idOption('user'), item: idOption('item') } as const satisfies OptionTable;

/**
 * Matrix factorization: ŷ = μ + b_u + b_i + ⟨p_u, q_i⟩ (Koren, Bell & Volinsky 2009), with the parameters `bias.global`,
 * `bias.<input>.weight` and `embedding.<input>.weight`.
 */
export const mf: Body<typeof OPTIONS> = {
  doc: 'Matrix factorization: ŷ = μ + b_u + b_i + ⟨p_u, q_i⟩ (Koren, Bell & Volinsky 2009); the two inputs have one dim.',
  options: OPTIONS,

  oneOutput: true,

  check(body, field, inputs) {
    const user = idInput(inputs, body.user, `${field}.user`);
    const item = idInput(inputs, body.item, `${field}.item`);
    if (user === item) throw invalid(`${field}.item`, 'is the user input', item.name, 'another input');
    if (user.dim !== item.dim)
      throw invalid(`${field}.item`, `has dim ${item.dim}`, item.name, `dim ${user.dim}, as ${user.name}`);
    const other = inputs.find((input) => input !== user && input !== item);
    if (other !== undefined)
      throw invalid(
        'model.inputs',
        'has an input that mf does not read',
        other.name,
        `${user.name} and ${item.name} alone`,
      );
  },

  build(program, body) {
    const [user, item] = [idInput(program.inputs, body.user, 'user'), idInput(program.inputs, body.item, 'item')];
    const factors = [user, item].map((input) => program.lookup(`embedding.${input.name}`, input, input.dim));
    const biases = [user, item].map((input) =>
      program.lookup(`bias.${input.name}`, input, 1, { kind: 'constant', value: 0 }),
    );
    return program.sum([program.dot(factors[0], factors[1]), ...biases], 'bias.global');
  },
};
