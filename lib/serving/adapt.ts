/**
 * `learner.adapt` and `learner.adaptSync`. Serving comes after the learner in the pipeline, so the methods are put on it here:
 * whoever imports this module, as the package's index does, has them.
 */
import { runNative, runNativeSync } from '../foundation/addon.js';
import { checkObject, checkSignal } from '../foundation/check.js';
import { Learner } from '../learner/learner.js';
import { PersonalModel } from './personal-model.js';
import { packSupport } from './support.js';
import type { Support } from './support.js';

declare module '../learner/learner.js' {
  interface Learner {
    /**
     * Adapts to one user from a few labelled items.
     *
     * ```ts
     * const me = await learner.adapt({ items: ['1', '50', '260'], labels: [5, 4, 1] });
     * const films = await me.recommend({ count: 10 });
     * ```
     *
     * @param support items by id and their labels; features of the user where the model uses any
     * @throws {InnerloopError} INVALID_OPTION (an item that the catalog lacks, a label that is not finite …), DIVERGED, ABORTED
     */
    adapt(support: Support, options?: { signal?: AbortSignal }): Promise<PersonalModel>;

    /**
     * The same at once, on the calling thread, with the same result to the bit. For few interactions and a small model, whose
     * steps take less time than it takes to wake another thread and be woken by it: meanwhile the event loop stands still.
     *
     * @throws {InnerloopError} as `adapt`; INVALID_OPTION too while a training step of this learner runs
     */
    adaptSync(support: Support): PersonalModel;
  }
}

Learner.prototype.adapt = async function (support, options = {}) {
  checkObject(options, 'options', ['signal']);
  checkSignal(options.signal, 'options.signal');
  const catalog = this.servedCatalog();
  const packed = packSupport(this, catalog, support);
  const { version } = this;
  const [adapted] = await runNative(options.signal, (token) =>
    this.model.ops.adapt({ ...this.call(packed.batch), token }),
  );
  return new PersonalModel(this, catalog, packed, adapted, version);
};

Learner.prototype.adaptSync = function (support) {
  const catalog = this.servedCatalog();
  const packed = packSupport(this, catalog, support);
  const { version } = this;
  const [adapted] = runNativeSync(() => this.model.ops.adaptSync(this.call(packed.batch)));
  return new PersonalModel(this, catalog, packed, adapted, version);
};
