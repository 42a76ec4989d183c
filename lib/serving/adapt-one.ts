/** Adapting to one user. */
import { runNative } from '../foundation/addon.js';
import type { Learner } from '../learner/learner.js';
import { copyOfSupport, packing } from './person.js';
import type { Person } from './person.js';
import { divergedBy } from './labels.js';
import { packSupport } from './support.js';
import type { Support } from './support.js';

/** @internal */
export async function adaptOne(learner: Learner, support: Support, signal: AbortSignal | undefined): Promise<Person> {
  const catalog = learner.servedCatalog();
  const { packed, ...known } = packSupport(learner, catalog, support);
  // Now, whatever the caller does with its lists while this waits.
  const own = copyOfSupport(support);
  const { version } = learner;
  const call = { ...learner.call(packed), ...packing(learner) };
  const [adapted] = await runNative(
    signal,
    (token) => learner.model.ops.adapt({ ...call, token }),
    () => divergedBy(learner, own.labels, 'task 0', 'support'),
  );
  return { learner, catalog, version, support: own, known, adapted };
}
