import { invalid } from '../../foundation/check.js';
import type { OptionTable } from '../../foundation/options.js';
import { HIDDEN_OPTIONS, idInput, idOption, WIDTH } from './body.js';
import type { Body } from './body.js';

const OPTIONS = {
  user: idOption('user'),
  item: idOption('item'),
  factors: { ...WIDTH, doc: 'Width of the factors p_u ∘ q_i, which have embeddings of their own.' },
  ...HIDDEN_OPTIONS,
} as const satisfies OptionTable;

/**
 * Neural matrix factorization (He et al. 2017): the elementwise product of a user's and an item's factors beside the hidden
 * layers of a perceptron on all inputs, joined by a last linear layer `mlp.<last>`. The factors have tables of their own,
 * `factors.<input>.weight`.
 */
export const neumf: Body<typeof OPTIONS> = {
  doc: 'Neural matrix factorization: a generalised dot product beside a perceptron on all inputs (He et al. 2017).',
  options: OPTIONS,

  check(body, field, inputs) {
    const user = idInput(inputs, body.user, `${field}.user`);
    const item = idInput(inputs, body.item, `${field}.item`);
    if (user === item) throw invalid(`${field}.item`, 'is the user input', item.name, 'another input');
  },

  build(program, { user, item, factors, hidden, activation }, outputs) {
    const sides = [user, item].map((name) => {
      const input = idInput(program.inputs, name, 'input');
      return program.lookup(`factors.${name}`, input, factors);
    });
    const product = program.product(sides[0], sides[1]);
    const top = program.hiddenLayers('mlp', program.features(), hidden, activation);
    return program.linear(`mlp.${hidden.length}`, program.concat(product, top), outputs);
  },
};
