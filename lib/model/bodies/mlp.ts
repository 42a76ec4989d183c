import { checkArray, checkFraction, checkInteger, checkOneOf } from '../../foundation/check.js';
import type { Activation, MlpBody } from '../../foundation/contract.js';
import { ACTIVATIONS } from '../layer-program.js';
import type { Body } from './body.js';

/** All inputs concatenated into a multilayer perceptron. */
export const mlp: Body<MlpBody> = {
  options: ['hidden', 'activation', 'dropout'],

  check(body, field) {
    checkPerceptron(body, field);
    if (body['dropout'] !== undefined) checkFraction(body['dropout'], `${field}.dropout`, true);
  },

  build(program, { hidden, activation = DEFAULT_ACTIVATION, dropout = 0 }, outputs) {
    return program.perceptron('mlp', program.features(), hidden, outputs, activation, dropout);
  },
};

export const DEFAULT_ACTIVATION: Activation = 'relu';

/** Checks the options `hidden` and `activation`. @internal */
export function checkPerceptron(body: Record<string, unknown>, field: string): void {
  const { hidden, activation } = body;
  checkArray(hidden, `${field}.hidden`, 'layer widths');
  // Not forEach, which passes over holes.
  for (const [i, width] of hidden.entries()) checkInteger(width, `${field}.hidden[${i}]`, 1, 65536);
  if (activation !== undefined) checkOneOf(activation, `${field}.activation`, ACTIVATIONS);
}
