/** Every algorithm by name: one file each. The contract suite runs over this list. */
import type { Algorithm } from '../algorithm.js';
import { anil } from './anil.js';
import { fomaml } from './fomaml.js';
import { maml } from './maml.js';
import { reptile } from './reptile.js';

export { anil, fomaml, maml, reptile };
export type { MamlOptions } from './maml.js';

export const ALGORITHMS = { maml, fomaml, anil, reptile } as const satisfies Record<string, (options?: never) => Algorithm>;
export type AlgorithmName = keyof typeof ALGORITHMS;
