import { checkString, unknownName } from '../../foundation/check.js';
import type { CategoricalInput, InputSpec } from '../../foundation/contract.js';
import type { OptionsOf, OptionTable, Resolved } from '../../foundation/options.js';
import { ACTIVATIONS } from '../layer-program.js';
import type { Program, Slot } from '../layer-program.js';

/** A kind of body: its options, what they and the inputs must be to each other, and the layers that it writes. Each has a file. */
export interface Body<T extends OptionTable> {
  /** What it computes, in a sentence. */
  readonly doc: string;
  /** Its options, `kind` apart. */
  readonly options: T;
  /** Gives one number a row: no softmax, no further heads. */
  readonly oneOutput?: true;
  /**
   * Checks what the table of options cannot know.
   * @throws {InnerloopError} naming the option under `field`; options and inputs have been checked before, one by one
   */
  check?(body: OptionsOf<T>, field: string, inputs: readonly InputSpec[]): void;
  /** Writes the layers. @returns the slot of the outputs, `outputs` wide */
  build(program: Program, body: Resolved<T>, outputs: number): Slot;
}

/** An option that several bodies share. */
export const WIDTH = { kind: 'integer', min: 1, max: 65536, required: true } as const;
export const HIDDEN_OPTIONS = {
  hidden: {
    kind: 'list',
    of: { kind: 'integer', min: 1, max: 65536 },
    what: 'layer widths',
    required: true,
    search: { of: [[24], [32, 32]] },
    doc: 'Widths of the hidden layers; [] is a linear model.',
  },
  activation: {
    kind: 'choice',
    of: ACTIVATIONS,
    default: 'relu',
    search: { of: ['identity', 'relu'] },
    doc: 'Between the layers, none after the last; identity makes a factorised linear model.',
  },
} as const satisfies OptionTable;

/** The name of one id input. */
export const idOption = <const D extends string>(what: D) =>
  ({ kind: 'text', required: true, doc: `Name of the categorical input that is the ${what}.` }) as const;

/** The categorical input that an option names. @internal */
export function idInput(inputs: readonly InputSpec[], name: unknown, field: string): CategoricalInput {
  checkString(name, field);
  const known = inputs.filter((input) => input.kind === 'categorical');
  const found = known.find((input) => input.name === name);
  if (found === undefined)
    throw unknownName(
      field,
      'no such categorical input',
      name,
      known.map((input) => input.name),
    );
  return found;
}
