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
  Object.defineProperty(object, 'structuredClone', { enumerable: true, get: refusal(field, instead) });
}

const refusals = new Map<string, () => never>();

/** One function for all objects of a kind: V8 gives each object with a getter of its own a hidden class of its own, too, or none. */
function refusal(field: string, instead: string): () => never {
  const key = JSON.stringify([field, instead]);
  let refuse = refusals.get(key);
  if (refuse === undefined) {
    refuse = () => {
      throw new InnerloopError('UNSUPPORTED', 'cannot be cloned, nor sent to another thread', {
        field,
        expected: instead,
      });
    };
    refusals.set(key, refuse);
  }
  return refuse;
}

/** An object whose clones are refused before any field of it is read. */
export abstract class Uncloneable {
  /** @internal */
  constructor(field: string, instead: string) {
    refuseClones(this, field, instead);
  }
}
