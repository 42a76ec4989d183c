/**
 * Purchases with a known truth: `node data/purchases/generate.mjs [folder]` writes `purchases.csv` and `truth.json`, the same
 * bytes every time.
 *
 * Every customer belongs to two of six tastes, every item to one, and items of one taste come in series of five that are
 * bought one after the other. A purchase is, by chance: the next of a series the customer has begun (30 %), an item of a taste
 * of theirs (60 %), anything (10 %); within a taste popular items are bought more. Nothing says that an item is disliked.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [CUSTOMERS, ITEMS, TASTES, SERIES] = [900, 240, 6, 5];
const PER_TASTE = ITEMS / TASTES;

let state = 20240607;
const uniform = () => {
  // mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};
const below = (n) => Math.floor(uniform() * n);

/** Of an item within its taste: popularity falls as 1 / (1 + place). */
const weights = Array.from({ length: PER_TASTE }, (_, place) => 1 / (1 + place));
const total = weights.reduce((a, b) => a + b, 0);
function place() {
  let left = uniform() * total;
  for (let p = 0; p < PER_TASTE; p++) if ((left -= weights[p]) < 0) return p;
  return PER_TASTE - 1;
}

const lines = ['customer,sku,bought'];
const tastes = {};
for (let c = 0; c < CUSTOMERS; c++) {
  const customer = `C${String(c).padStart(4, '0')}`;
  const first = below(TASTES);
  const own = [first, (first + 1 + below(TASTES - 1)) % TASTES];
  tastes[customer] = own;
  const bought = [];
  let time = 1704067200 + below(180) * 86400;
  for (let wanted = 8 + below(13), tries = 0; bought.length < wanted && tries < 1000; tries++) {
    const chance = uniform();
    const last = bought[below(Math.max(1, bought.length))];
    const isNext = chance < 0.3 && last !== undefined && (last % SERIES) + 1 < SERIES;
    const item = isNext ? last + 1 : chance < 0.9 ? own[below(2)] * PER_TASTE + place() : below(ITEMS);
    if (bought.includes(item)) continue;
    bought.push(item);
    time += 3600 + below(6 * 86400);
    lines.push(`${customer},S${String(item).padStart(3, '0')},${new Date(time * 1000).toISOString().slice(0, 19).replace('T', ' ')}`);
  }
}

const folder = process.argv[2] ?? dirname(fileURLToPath(import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'purchases.csv'), `${lines.join('\n')}\n`);
writeFileSync(join(folder, 'truth.json'), `${JSON.stringify({ itemsPerTaste: PER_TASTE, series: SERIES, tastes })}\n`);
