import { checkInteger, invalid } from '../../foundation/check.js';
import type { NeumfBody } from '../../foundation/contract.js';
import { idInput } from './body.js';
import type { Body } from './body.js';
import { checkPerceptron, DEFAULT_ACTIVATION } from './mlp.js';

/**
 * Neural matrix factorization (He et al. 2017): the elementwise product of a user's and an item's factors beside the hidden
 * layers of a perceptron on all inputs, joined by a last linear layer `mlp.<last>`. The factors have tables of their own,
 * `factors.<input>.weight`.
 */
export const neumf: Body<NeumfBody> = {
  options: ['user', 'item', 'factors', 'hidden', 'activation'],

  check(body, field, inputs) {
    const user = idInput(inputs, body['user'], `${field}.user`);
    const item = idInput(inputs, body['item'], `${field}.item`);
    if (user === item) throw invalid(`${field}.item`, 'is the user input', item.name, 'another input');
    checkInteger(body['factors'], `${field}.factors`, 1, 65536);
    checkPerceptron(body, field);
  },

  build(program, { user, item, factors, hidden, activation = DEFAULT_ACTIVATION }, outputs) {
    const sides = [user, item].map((name) => {
      const input = idInput(program.inputs, name, 'input');
      return program.lookup(`factors.${name}`, input, factors);
    });
    const product = program.product(sides[0], sides[1]);
    const top = program.hiddenLayers('mlp', program.features(), hidden, activation);
    return program.linear(`mlp.${hidden.length}`, program.concat(product, top), outputs);
  },
};
