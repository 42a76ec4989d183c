/** Notices that what a training reads has been changed, or transferred to another thread, since it began. */
import type { TaskSet } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';

/** Numbers of an array that are looked at, at most: all of them below it, else evenly spread ones. */
const LOOKED_AT = 2 ** 22;

type Numbers = Int32Array | Float32Array | Float64Array;

/**
 * A cheap digest of the arrays of task sets and of the interactions that they point into. Features are not among them: they
 * were copied to the core when training began.
 */
export class DataGuard {
  readonly #sets: readonly TaskSet[];
  readonly #before: Map<string, number>;

  constructor(sets: readonly TaskSet[]) {
    this.#sets = sets;
    this.#before = this.#digests();
  }

  /** @throws {InnerloopError} INVALID_DATA naming the array */
  check(): void {
    for (const [name, digest] of this.#digests()) {
      if (this.#before.get(name) === digest) continue;
      throw new InnerloopError('INVALID_DATA', 'was changed or transferred while the learner trains on it', {
        field: name,
        expected: 'arrays that stay as they are until training ends; transfer or change a copy',
      });
    }
  }

  #digests(): Map<string, number> {
    const digests = new Map<string, number>();
    this.#sets.forEach((set, s) => {
      const own = s === 0 ? 'tasks' : 'train.validation';
      const { supportOffsets, supportRows, queryOffsets, queryRows, dataset } = set;
      const arrays: [string, Numbers | undefined][] = Object.entries({
        supportOffsets,
        supportRows,
        queryOffsets,
        queryRows,
      });
      if (s === 0 || dataset !== this.#sets[0].dataset) {
        const { user, item, label, time, weight } = dataset;
        for (const [name, array] of Object.entries({ user, item, label, time, weight }))
          arrays.push([`dataset.${name}`, array]);
      }
      for (const [name, array] of arrays) if (array !== undefined) digests.set(`${own}.${name}`, digestOf(array));
    });
    return digests;
  }
}

/** FNV-1a over 32-bit words in four lanes, which do not wait for each other. */
function digestOf(array: Numbers): number {
  // Detached by a transfer: no view of it can be made. A digest that no other array is likely to have.
  if (array.length === 0) return -1;
  const words = new Int32Array(array.buffer, array.byteOffset, array.byteLength >> 2);
  const stride = Math.max(1, Math.floor(words.length / LOOKED_AT));
  let [a, b, c, d] = [words.length, 1, 2, 3];
  let i = 0;
  for (; i + 3 * stride < words.length; i += 4 * stride) {
    a = Math.imul(a ^ words[i], 0x01000193);
    b = Math.imul(b ^ words[i + stride], 0x01000193);
    c = Math.imul(c ^ words[i + 2 * stride], 0x01000193);
    d = Math.imul(d ^ words[i + 3 * stride], 0x01000193);
  }
  for (; i < words.length; i += stride) a = Math.imul(a ^ words[i], 0x01000193);
  return (a ^ Math.imul(b, 0x85ebca6b) ^ Math.imul(c, 0xc2b2ae35) ^ Math.imul(d, 0x27d4eb2f)) | 0;
}
