/** The demo page: a single HTML file that sends requests to this service only. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { packageRoot } from '../../foundation/addon.js';
import { valueOf } from '../../serving/item-terms.js';
import type { Service } from '../service.js';

/** Items with fewer training interactions are not offered for rating, because hardly anybody knows them. */
const KNOWN = 20;
/** If fewer items than this have enough training interactions, all items are offered. */
const SMALL = 100;
/** The item column that titles are taken from. */
const TITLE = 'title';

export async function addPage(fastify: FastifyInstance, service: Service): Promise<void> {
  const html = await readFile(join(packageRoot(), 'lib', 'service', 'demo.html'), 'utf8');
  fastify.get('/', (_, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header(
        'content-security-policy',
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:",
      )
      .send(html),
  );
  fastify.get('/demo/items.json', () => itemsOf(service));
}

/** Ids and titles of well-known items, the number of interactions that makes an item one, and the lowest and highest rating. */
function itemsOf({ engine: { learner } }: Service): {
  items: [string, string][];
  minSupport: number;
  scale: [number, number] | null;
} {
  const { items } = learner.servedCatalog();
  const { range } = learner.rowState;
  const column = items.columns.find(({ name }) => name === TITLE);
  const rowsFrom = (least: number) =>
    Array.from(items.keys.values.keys()).filter((row) => row > 0 && (learner.itemCounts?.[row] ?? 0) >= least);
  const minSupport = rowsFrom(KNOWN).length < SMALL ? 0 : KNOWN;
  return {
    items: rowsFrom(minSupport).map((row) => {
      const id = items.keys.values[row];
      const title = column && valueOf(column, row);
      return [id, typeof title === 'string' && title !== '' ? title : id];
    }),
    minSupport,
    scale: range === undefined ? null : [range.min, range.max],
  };
}
