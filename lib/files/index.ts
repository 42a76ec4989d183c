/** Files: written whole or not at all, locked, and read with every length checked. */
export { readNpy } from './npy.js';
export type { NpyArray } from './npy.js';
