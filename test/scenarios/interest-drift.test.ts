/** How far float32 runs away from float64 in training: the same data, seed and draws, one rounding or the other. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import type { Precision } from '../../lib/foundation/contract.js';
import { learnerOf, make, ratings, run } from '../fixtures/family.js';
import type { Name } from '../fixtures/family.js';

const EPOCHS = 10;
/** Ten times what was measured after 1, 10 and 40 epochs: it does not grow with the epochs (test/RELIABILITY.md). */
const MOST = { parameters: 1e-4, outputs: 2e-4 };

for (const name of ['maml', 'fomaml', 'anil', 'reptile', 'ridge'] as const satisfies Name[]) {
  test(`${name}: float32 stays beside float64 through ${EPOCHS} epochs`, async (t) => {
    const trained = async (precision: Precision) => {
      const learner = learnerOf(make(name), { precision, at: ratings });
      await run(learner, ratings.train, { epochs: EPOCHS });
      return { parameters: learner.parameters(), outputs: await learner.outputs(ratings.test, 'after') };
    };
    const [single, double] = [await trained('float32'), await trained('float64')];
    let [difference, length] = [0, 0];
    for (const [tensor, { data }] of Object.entries(double.parameters)) {
      data.forEach((x, i) => {
        difference += (x - single.parameters[tensor].data[i]) ** 2;
        length += x * x;
      });
    }
    const parameters = Math.sqrt(difference / length);
    const outputs = double.outputs.reduce((most, x, i) => Math.max(most, Math.abs(x - single.outputs[i])), 0);
    t.comment(
      `parameters ${parameters.toExponential(1)} of their length, predicted ratings ${outputs.toExponential(1)} at most`,
    );
    assert.ok(parameters < MOST.parameters && outputs < MOST.outputs, `parameters ${parameters}, outputs ${outputs}`);
    assert.ok(parameters > 0, 'both runs were of one precision');
  });
}
