import { checkString, unknownName } from '../../foundation/check.js';
import type { BodySpec, CategoricalInput, InputSpec } from '../../foundation/contract.js';
import type { Program, Slot } from '../layer-program.js';

/** What a kind of body is: the options it knows, how they are checked, and the layers it becomes. One file each. */
export interface Body<Spec extends BodySpec> {
  /** Names of its options, `kind` apart. */
  readonly options: readonly string[];
  /** Gives one number a row: no softmax, no further heads. */
  readonly oneOutput?: true;
  /** @throws {InnerloopError} naming the option under `field`; the inputs have been checked before, one by one */
  check(body: Record<string, unknown>, field: string, inputs: readonly InputSpec[]): void;
  /** Writes the layers. @returns the slot of the outputs, `outputs` wide */
  build(program: Program, body: Spec, outputs: number): Slot;
}

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
