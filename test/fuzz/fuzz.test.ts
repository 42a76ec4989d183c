/** Hostile bytes, values and programs for a moment; `npm run test:fuzz` goes on for as long as it is told to. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { fuzz } from './fuzz.js';
import { TARGETS } from './targets.js';

for (const target of [...Object.keys(TARGETS), 'programs']) {
  test(`${target}: accepted, or refused by a typed error`, async (t) => {
    const { cases, accepted } = await fuzz(target, 1.5, 1);
    t.comment(`${cases} cases, ${accepted} accepted`);
    assert.ok(cases > 5, 'hardly anything was tried');
    // A target all of whose cases are refused at the door tests the door; of a few that may be chance.
    if (cases >= 50) assert.ok(accepted > 0, 'nothing was accepted');
  });
}
