import { checkArray, checkInteger, checkString, invalid, unknownName } from '../../foundation/check.js';
import type { TwoTowerBody } from '../../foundation/contract.js';
import type { Body } from './body.js';
import { checkPerceptron, DEFAULT_ACTIVATION } from './mlp.js';

/**
 * Two towers (Covington et al. 2016; Yi et al. 2019): a perceptron `user.<i>` on some inputs and one `item.<i>` on the others,
 * ŷ = b + ⟨user tower, item tower⟩, with `bias.global`. An item's vector does not depend on the user.
 */
export const twoTower: Body<TwoTowerBody> = {
  options: ['user', 'item', 'hidden', 'width', 'activation'],

  oneOutput: true,

  check(body, field, inputs) {
    const names = inputs.map(({ name }) => name);
    const tower = new Map<string, string>();
    for (const side of ['user', 'item'] as const) {
      const own = body[side];
      checkArray(own, `${field}.${side}`, 'input names');
      if (own.length === 0) throw invalid(`${field}.${side}`, 'empty', own, 'at least one input');
      for (const [i, name] of own.entries()) {
        checkString(name, `${field}.${side}[${i}]`);
        if (!names.includes(name)) throw unknownName(`${field}.${side}[${i}]`, 'no such input', name, names);
        if (tower.has(name)) throw invalid(`${field}.${side}[${i}]`, 'is in a tower already', name, 'each input once');
        tower.set(name, side);
      }
    }
    const left = names.find((name) => !tower.has(name));
    if (left !== undefined) throw invalid(field, 'leaves out an input', left, 'each input in one tower');
    checkPerceptron(body, field);
    checkInteger(body['width'], `${field}.width`, 1, 65536);
  },

  build(program, { user, item, hidden, width, activation = DEFAULT_ACTIVATION }) {
    const towers = (
      [
        ['user', user],
        ['item', item],
      ] as const
    ).map(([side, names]) => {
      const inputs = names.map((name) => program.inputs.find((input) => input.name === name)!);
      return program.perceptron(side, program.features(inputs), hidden, width, activation);
    });
    return program.sum([program.dot(towers[0], towers[1])], 'bias.global');
  },
};
