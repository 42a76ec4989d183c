/** Every algorithm by name: one file each. The contract suite runs over this list. */
import type { Algorithm } from '../algorithm.js';
import { anil } from './anil.js';
import { fomaml } from './fomaml.js';
import { maml } from './maml.js';
import { reptile } from './reptile.js';
import { ridge } from './ridge.js';

export { anil, fomaml, maml, reptile, ridge };
export type { MamlOptions } from './maml.js';

export const ALGORITHMS = { maml, fomaml, anil, reptile, ridge } as const satisfies Record<string, (options?: never) => Algorithm>;
export type AlgorithmName = keyof typeof ALGORITHMS;
