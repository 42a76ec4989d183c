import { invalid } from '../../foundation/check.js';
import type { SequenceInput } from '../../foundation/contract.js';
import type { OptionTable } from '../../foundation/options.js';
import type { Program, Slot } from '../layer-program.js';
import { HIDDEN_OPTIONS, WIDTH } from './body.js';
import type { Body } from './body.js';

const OPTIONS = {
  gruHidden: { ...WIDTH, doc: 'Width of the recurrent state.' },
  ...HIDDEN_OPTIONS,
} as const satisfies OptionTable;

/**
 * A gated recurrent unit (Cho et al. 2014) over the one sequence input, oldest id first; its last state stands in that input's
 * place, 0 for an empty sequence, and a perceptron follows. Parameters as in PyTorch: `gru.weight_ih_l0` [3H, dim],
 * `gru.weight_hh_l0` [3H, H], `gru.bias_ih_l0`, `gru.bias_hh_l0` [3H], gates in the order reset, update, new.
 */
export const gru: Body<typeof OPTIONS> = {
  doc: 'A gated recurrent unit over the one sequence input, its last state in that input’s place, then a perceptron (Cho et al. 2014).',
  options: OPTIONS,

  check(_body, _field, inputs) {
    const sequences = inputs.filter(({ kind }) => kind === 'sequence').length;
    if (sequences !== 1)
      throw invalid(
        'model.inputs',
        `has ${sequences} sequences`,
        inputs.map(({ kind }) => kind),
        'one sequence for the gru',
      );
  },

  build(program, { gruHidden, hidden, activation }, outputs) {
    const at = program.inputs.findIndex(({ kind }) => kind === 'sequence');
    const [before, after] = [program.inputs.slice(0, at), program.inputs.slice(at + 1)];
    const slots = [
      ...(before.length > 0 ? [program.features(before)] : []),
      recurrent(program, program.inputs[at] as SequenceInput, gruHidden),
      ...(after.length > 0 ? [program.features(after)] : []),
    ];
    return program.perceptron('mlp', program.concat(...slots), hidden, outputs, activation);
  },
};

function recurrent(program: Program, input: SequenceInput, width: number): Slot {
  const initial = { kind: 'uniform', bound: 1 / Math.sqrt(width) } as const;
  const tensors = [
    program.table(`embedding.${input.name}.weight`, input, input.dim),
    program.tensor('gru.weight_ih_l0', [3 * width, input.dim], initial, true),
    program.tensor('gru.weight_hh_l0', [3 * width, width], initial, true),
    program.tensor('gru.bias_ih_l0', [3 * width], initial),
    program.tensor('gru.bias_hh_l0', [3 * width], initial),
  ];
  return program.layer('gru', [], width, tensors, [program.inputs.indexOf(input), input.maxLength]);
}
