// An A/B test with sticky variants and a test that may be looked at after every visitor:
//   node examples/ab-test.mjs model.safetensors [visitors]
import { createHash } from 'node:crypto';
import { loadLearner } from 'innerloop';
import { sequentialTest } from 'innerloop/service';

const learner = await loadLearner(process.argv[2]);
const VARIANTS = { A: {}, B: { diversity: 0.5 } };
// The same visitor sees the same variant, on every machine, without a table.
const variantOf = (visitor) => (createHash('sha256').update(`diversity ${visitor}`).digest()[0] < 128 ? 'A' : 'B');

const ids = learner.catalog.items.keys.values.slice(1);
const converted = { A: 0, B: 0 };
let seen = 0;
for (; seen < Number(process.argv[3] ?? 4000); seen++) {
  const visitor = `v${seen}`;
  const variant = variantOf(visitor);
  const me = learner.adaptSync({ items: [ids[seen % ids.length]], labels: [4] });
  const list = await me.recommend({ count: 5, ...VARIANTS[variant] });
  // In place of what visitors do: of the lists of B twice as many end in a purchase.
  const luck = createHash('sha256').update(`luck ${visitor}`).digest()[0] / 256;
  if (list.length === 0 || luck >= (variant === 'A' ? 0.1 : 0.2)) continue;
  converted[variant]++;
  const { isSignificant, ratio, low, high } = sequentialTest(converted.A, converted.B);
  if (!isSignificant) continue;
  console.log(`B converts ${ratio.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}] times as well as A`);
  break;
}
console.log(`after ${seen + 1} visitors: A ${converted.A}, B ${converted.B}`);
