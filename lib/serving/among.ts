/** The items that a list is chosen among, where a request names them. */
import type { NativeIds } from '../foundation/addon.js';
import type { Dataset } from '../foundation/contract.js';
import { joinTexts } from '../foundation/core-text-index.js';
import type { JoinedTexts } from '../foundation/core-text-index.js';
import { coreIndex } from '../data/vocabulary.js';
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
export async function amongOf(catalog: Dataset, settings: Among): Promise<Int32Array | NativeIds | undefined> {
  const { among, unknown } = settings;
  // Read now, whatever the caller does with its list.
  const texts = among === undefined || among.length < MANY ? undefined : joinTexts(idTexts(among));
  if (texts === undefined) return rowsAmong(catalog, settings);
  const { native } = await coreIndex(catalog.items.keys);
  return { index: native, ...texts, skip: unknown === 'skip' };
}

/** @internal The error of an id that the core did not find, by its place. */
export function unknownAmong({ joined, lengths }: JoinedTexts, { among }: Among, place: number) {
  const from = lengths.subarray(0, place).reduce((sum, length) => sum + length, 0);
  const text = joined.slice(from, from + lengths[place]);
  const given = among![place];
  return unknownItem(String(given) === text ? given : text, `${FIELD}[${place}]`);
}
