import { checkInteger, invalid } from '../../foundation/check.js';
import type { GruBody, SequenceInput } from '../../foundation/contract.js';
import type { Program, Slot } from '../layer-program.js';
import type { Body } from './body.js';
import { checkPerceptron, DEFAULT_ACTIVATION } from './mlp.js';

/**
 * A gated recurrent unit (Cho et al. 2014) over the one sequence input, oldest id first; its last state stands in that input's
 * place, 0 for an empty sequence, and a perceptron follows. Parameters as in PyTorch: `gru.weight_ih_l0` [3H, dim],
 * `gru.weight_hh_l0` [3H, H], `gru.bias_ih_l0`, `gru.bias_hh_l0` [3H], gates in the order reset, update, new.
 */
export const gru: Body<GruBody> = {
  options: ['gruHidden', 'hidden', 'activation'],

  check(body, field, inputs) {
    checkInteger(body['gruHidden'], `${field}.gruHidden`, 1, 65536);
    checkPerceptron(body, field);
    const sequences = inputs.filter(({ kind }) => kind === 'sequence').length;
    if (sequences !== 1)
      throw invalid(
        'model.inputs',
        `has ${sequences} sequences`,
        inputs.map(({ kind }) => kind),
        'one sequence for the gru',
      );
  },

  build(program, { gruHidden, hidden, activation = DEFAULT_ACTIVATION }, outputs) {
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
