import { InnerloopError } from './errors.js';

/**
 * Has every structured clone of an object refused, as postMessage makes one too: of a class it would be an object without methods and
 * private fields, and of a function an error that names some inner one. A clone reads enumerable properties in their order, so
 * this one has to be the first.
 *
 * @param field what it is called
 * @param instead what to write
 */
export function refuseClones(object: object, field: string, instead: string): void {
  Object.defineProperty(object, 'structuredClone', {
    enumerable: true,
    get: () => {
      throw new InnerloopError('UNSUPPORTED', 'cannot be cloned, nor sent to another thread', {
        field,
        expected: instead,
      });
    },
  });
}

/** An object whose clones are refused before any field of it is read. */
export abstract class Uncloneable {
  /** @internal */
  constructor(field: string, instead: string) {
    refuseClones(this, field, instead);
  }
}
