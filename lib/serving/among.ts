/** The items that a list is chosen among, where a request names them. */
import type { NativeIds, NativeUnknownId } from '../foundation/addon.js';
import type { Dataset } from '../foundation/contract.js';
import { giveBack, joinTexts } from '../foundation/core-text-index.js';
import { coreIndex, coreIndexAtHand } from '../data/vocabulary.js';
import { ascending } from './catalog-cache.js';
import type { RecommendSettings } from './options.js';
import { idTexts, itemRows, unknownItem } from './support.js';

type Among = Pick<RecommendSettings, 'among' | 'unknown'>;

const FIELD = 'options.among';
/** Of fewer ids the rows are found here before another thread would have begun. */
const MANY = 64;

/** @internal Rows of the items, ascending; undefined where none are named. */
export function rowsAmong(catalog: Dataset, { among, unknown }: Among): Int32Array | undefined {
  if (among === undefined) return undefined;
  const rows = itemRows(catalog, among, FIELD, unknown === 'skip' ? [] : undefined);
  // Row 0 is no item.
  return ascending(rows.includes(0) ? rows.filter((row) => row > 0) : rows);
}

/**
 * @internal What the core ranks among. Over a long catalog a thousand ids wait for memory longer than all else of a request
 * takes: the core looks them up, on another thread. Of few ids, and of those with a mistake, which is then told, the rows.
 */
export function amongOf(
  catalog: Dataset,
  settings: Among,
): Int32Array | NativeIds | undefined | Promise<Int32Array | NativeIds | undefined> {
  const { among, unknown } = settings;
  // Read now, whatever the caller does with its list.
  const texts = among === undefined || among.length < MANY ? undefined : joinTexts(idTexts(among));
  if (texts === undefined) return rowsAmong(catalog, settings);
  const { keys } = catalog.items;
  const ids = ({ native }: { native: NativeIds[0] }): NativeIds => [
    native,
    texts.joined,
    texts.lengths,
    texts.count,
    unknown === 'skip',
  ];
  const index = coreIndexAtHand(keys);
  return index === undefined ? coreIndex(keys).then(ids) : ids(index);
}

/** @internal After the core has read them. */
export function doneWith(among: Int32Array | NativeIds | undefined): void {
  if (among !== undefined && !(among instanceof Int32Array)) giveBack(among[2]);
}

/** @internal The error of an id that the core did not find. */
export function unknownAmong({ among }: Among, { place, text }: NativeUnknownId) {
  const given = among![place];
  return unknownItem(String(given) === text ? given : text, `${FIELD}[${place}]`);
}
