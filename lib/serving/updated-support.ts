/** A support set with one interaction more. */
import { invalid } from '../foundation/check.js';
import type { FeatureValues } from '../batch/given-features.js';
import { checkId } from './support.js';
import type { Support } from './support.js';

/** @internal An item that is there already is taken out first: of one user and one item the last interaction counts. */
export function updatedSupport(
  support: Support,
  item: string | number,
  label: number,
  context: FeatureValues | undefined,
): Support {
  checkId(item, 'item');
  const { items, labels, also, weights, context: given, ...rest } = support;
  const kept = [...items.keys()].filter((i) => String(items[i]) !== String(item));
  const with_ = <X>(values: ArrayLike<X>, last: X): X[] => [...kept.map((i) => values[i]), last];
  return {
    ...rest,
    items: with_(items, item),
    labels: with_(labels, label),
    ...(also && { also: Object.fromEntries(Object.entries(also).map(([name, y]) => [name, with_(y, NaN)])) }),
    ...(weights && { weights: with_(weights, 1) }),
    ...withContext(),
  };

  function withContext(): Pick<Support, 'context'> {
    if (given === undefined) {
      if (context === undefined) return {};
      if (kept.length > 0)
        throw invalid('options.context', 'the interactions before it have none', context, 'no context');
      return { context };
    }
    // The defaults are those of any interaction; what was told of all before need not hold for this one.
    const isDefault = !Array.isArray(given) && Object.keys(given).length === 0;
    if (isDefault && context === undefined) return { context: given };
    if (context === undefined)
      throw invalid('options.context', 'missing', context, 'the features of the interaction; {} for the defaults');
    const each = Array.isArray(given) ? (given as readonly FeatureValues[]) : items.map(() => given as FeatureValues);
    return { context: with_(each, context) };
  }
}
