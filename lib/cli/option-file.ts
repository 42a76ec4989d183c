/** What is written from tables of options: types with their comments, and a section of the reference. */
import type { OptionKind, OptionTable } from '../foundation/options.js';

/** An exported type: an interface of a table, one for each value of a tag, or an alias of a kind. */
export type Documented = { readonly doc: string } & (
  | { readonly name: string; readonly table: OptionTable }
  | { readonly name: string; readonly kind: OptionKind }
  | {
      /** Name of all of them together. */
      readonly union: string;
      readonly tag: string;
      /** Of the alternatives, where each needs a sentence. */
      readonly docs?: Readonly<Record<string, string>>;
      readonly of: Readonly<Record<string, OptionTable>>;
      readonly nameOf: (value: string) => string;
    }
  | {
      readonly name: string;
      readonly of: Readonly<Record<string, OptionTable>>;
      readonly nameOf: (value: string) => string;
    }
);

/** One written file: its types, what it imports, and where it stands in the reference. */
export interface OptionFile {
  readonly path: string;
  readonly title: string;
  readonly imports: Readonly<Record<string, readonly string[]>>;
  readonly types: readonly Documented[];
}
