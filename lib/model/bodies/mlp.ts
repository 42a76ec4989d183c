import type { OptionTable } from '../../foundation/options.js';
import { HIDDEN_OPTIONS } from './body.js';
import type { Body } from './body.js';

const OPTIONS = {
  ...HIDDEN_OPTIONS,
  dropout: {
    kind: 'number',
    min: 0,
    fraction: true,
    default: 0,
    doc: 'Share of each hidden layer’s units that are left out of a training step, the same ones at every inner step.',
  },
} as const satisfies OptionTable;

/** All inputs concatenated into a multilayer perceptron. */
export const mlp: Body<typeof OPTIONS> = {
  doc: 'All inputs, concatenated, into a multilayer perceptron.',
  options: OPTIONS,

  build(program, { hidden, activation, dropout }, outputs) {
    return program.perceptron('mlp', program.features(), hidden, outputs, activation, dropout);
  },
};
