import { invalid, unknownName } from '../../foundation/check.js';
import type { OptionTable } from '../../foundation/options.js';
import { HIDDEN_OPTIONS, WIDTH } from './body.js';
import type { Body } from './body.js';

const tower = <const D extends string>(side: D) =>
  ({
    kind: 'list',
    of: { kind: 'text' },
    what: 'input names',
    least: 1,
    required: true,
    doc: `Names of the inputs of the ${side}’s tower; together the towers have all inputs, and none is in both.`,
  }) as const;
const OPTIONS = {
  user: tower('user'),
  item: tower('item'),
  ...HIDDEN_OPTIONS,
  width: { ...WIDTH, doc: 'Width of the towers’ outputs.' },
} as const satisfies OptionTable;

/**
 * Two towers (Covington et al. 2016; Yi et al. 2019): a perceptron `user.<i>` on some inputs and one `item.<i>` on the others,
 * ŷ = b + ⟨user tower, item tower⟩, with `bias.global`. An item's vector does not depend on the user.
 */
export const twoTower: Body<typeof OPTIONS> = {
  doc: 'Two perceptrons and the dot product of what they make of their inputs (Covington et al. 2016; Yi et al. 2019).',
  options: OPTIONS,

  oneOutput: true,

  check(body, field, inputs) {
    const names = inputs.map(({ name }) => name);
    const tower = new Map<string, string>();
    for (const side of ['user', 'item'] as const) {
      for (const [i, name] of body[side].entries()) {
        if (!names.includes(name)) throw unknownName(`${field}.${side}[${i}]`, 'no such input', name, names);
        if (tower.has(name)) throw invalid(`${field}.${side}[${i}]`, 'is in a tower already', name, 'each input once');
        tower.set(name, side);
      }
    }
    const left = names.find((name) => !tower.has(name));
    if (left !== undefined) throw invalid(field, 'leaves out an input', left, 'each input in one tower');
  },

  build(program, { user, item, hidden, width, activation }) {
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
