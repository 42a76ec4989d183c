/** Experiments: variants are sticky and independent, and the test may be looked at after every event. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { random } from '../../lib/foundation/random.js';
import { readExperiments, variantOf } from '../../lib/service/experiments/experiments.js';
import { logGamma, sequentialTest } from '../../lib/service/experiments/sequential.js';

/** E_n after every event, in constant time each: predictions of the mixture, whose Beta parameters are 100 at the hypothesis. */
class Evidence {
  readonly #share: number;
  #a = 0;
  #b = 0;
  #log = 0;

  constructor(share: number) {
    this.#share = share;
  }

  /** @param isB whether the person who converted was in B @returns the evidence now */
  add(isB: boolean): number {
    const [inA, inB] = [100 * (1 - this.#share), 100 * this.#share];
    const all = inA + inB + this.#a + this.#b;
    // The mixture's probability of the next label, over that of the hypothesis.
    this.#log += Math.log(isB ? (inB + this.#b) / all / this.#share : (inA + this.#a) / all / (1 - this.#share));
    if (isB) this.#b++;
    else this.#a++;
    return Math.exp(this.#log);
  }
}

test('of 10,000 A/A runs, looked at after every event, at most 5 % ever seem to differ', async (t) => {
  const RUNS = 10_000;
  const EVENTS = 1000;
  for (const share of [0.5, 0.1]) {
    let wrong = 0;
    for (let run = 0; run < RUNS; run++) {
      const stream = random(run, `test.aa.${share}`);
      const evidence = new Evidence(share);
      for (let n = 0; n < EVENTS; n++) {
        if (evidence.add(stream.uniform() < share) < 20) continue;
        wrong++;
        break;
      }
    }
    t.comment(`share ${share}: ${((100 * wrong) / RUNS).toFixed(2)} % of ${RUNS} runs of ${EVENTS} events`);
    assert.ok(wrong / RUNS <= 0.05, `${wrong} of ${RUNS}`);
    // A test that never spoke would pass as well.
    assert.ok(wrong > 0);
  }
});

test('a test of a fixed size, looked at as often, is wrong far more often: what peeking does', async () => {
  let wrong = 0;
  for (let run = 0; run < 1000; run++) {
    const stream = random(run, 'test.peeking');
    let b = 0;
    for (let n = 1; n <= 1000; n++) {
      b += Number(stream.uniform() < 0.5);
      if (n < 20 || Math.abs(b - n / 2) < (1.96 * Math.sqrt(n)) / 2) continue;
      wrong++;
      break;
    }
  }
  assert.ok(wrong / 1000 > 0.25, `${wrong} of 1000`);
});

test('where B converts half as often again, the test says so, and its interval holds the truth at every look', async () => {
  const RATIO = 1.5;
  const inB = RATIO / (1 + RATIO);
  let [found, missed] = [0, 0];
  for (let run = 0; run < 200; run++) {
    const stream = random(run, 'test.ab');
    let [a, b] = [0, 0];
    let [isFound, isMissed] = [false, false];
    for (let n = 1; n <= 1500; n++) {
      if (stream.uniform() < inB) b++;
      else a++;
      if (n % 25 !== 0) continue;
      const { low, high, isSignificant } = sequentialTest(a, b);
      isFound ||= isSignificant && b > a;
      isMissed ||= low > RATIO || high < RATIO;
    }
    found += Number(isFound);
    missed += Number(isMissed);
  }
  assert.ok(found >= 190, `found in ${found} of 200`);
  assert.ok(missed <= 10, `the truth was outside in ${missed} of 200`);
});

test('the evidence from counts is that of the events one by one; the interval is where it is small', async () => {
  for (const share of [0.5, 0.3]) {
    const stream = random(5, 'test.evidence');
    const evidence = new Evidence(share);
    let [a, b, last] = [0, 0, 1];
    for (let n = 0; n < 400; n++) {
      const isB = stream.uniform() < 0.6;
      last = evidence.add(isB);
      if (isB) b++;
      else a++;
    }
    const { evidence: all, p, ratio, low, high } = sequentialTest(a, b, share);
    assert.ok(Math.abs(all / last - 1) < 1e-9, `${all} and ${last}`);
    assert.equal(p, Math.min(1, 1 / all));
    assert.ok(Math.abs(ratio - ((b / a) * (1 - share)) / share) < 1e-12);
    assert.ok(low < ratio && ratio < high);
  }
  assert.deepEqual(sequentialTest(0, 0), { evidence: 1, p: 1, ratio: 1, low: 0, high: Infinity, isSignificant: false });
  // The interval leaves 1 out just where the variants differ.
  for (const [a, b] of [
    [100, 0],
    [60, 40],
    [300, 220],
    [220, 300],
    [0, 100],
  ]) {
    const { isSignificant, low, high } = sequentialTest(a, b);
    assert.equal(isSignificant, low > 1 || high < 1, `${a} and ${b}: ${low} to ${high}`);
  }
  assert.equal(sequentialTest(0, 100).isSignificant, true);
  for (let n = 1; n < 30; n++) {
    let factorial = 0;
    for (let k = 2; k < n; k++) factorial += Math.log(k);
    assert.ok(Math.abs(logGamma(n) - factorial) < 1e-12 * Math.max(1, factorial), `Γ(${n})`);
  }
  assert.ok(Math.abs(logGamma(0.5) - Math.log(Math.sqrt(Math.PI))) < 1e-13);
});

test('a person stays in its variant; shares are kept, and experiments do not know of each other', async () => {
  const [one, two] = readExperiments([
    {
      name: 'one',
      variants: [
        { name: 'a', share: 0.5 },
        { name: 'b', share: 0.2 },
        { name: 'c', share: 0.3 },
      ],
    },
    { name: 'two', variants: [{ name: 'x' }, { name: 'y' }] },
  ]);
  const counts = new Map<string, number>();
  const N = 20_000;
  for (let u = 0; u < N; u++) {
    const variant = variantOf(one, `u${u}`);
    assert.equal(variantOf(one, `u${u}`), variant);
    const key = `${variant.name}${variantOf(two, `u${u}`).name}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [name, share] of Object.entries({ a: 0.5, b: 0.2, c: 0.3 }))
    for (const other of ['x', 'y']) {
      const expected = (N * share) / 2;
      const got = counts.get(name + other)!;
      assert.ok(Math.abs(got - expected) < 5 * Math.sqrt(expected), `${name}${other}: ${got} of ${expected}`);
    }
});

test('what is wrong of experiments is named', () => {
  const variants = [{ name: 'a' }, { name: 'b' }];
  for (const [given, field] of [
    [{}, 'experiments'],
    [[{ name: 'x', variants: [{ name: 'a' }] }], 'experiments[0].variants'],
    [[{ name: 'x', variants: [{ name: 'a' }, { name: 'a' }] }], 'experiments[0].variants[1].name'],
    [
      [
        {
          name: 'x',
          variants: [
            { name: 'a', share: 0.9 },
            { name: 'b', share: 0.2 },
          ],
        },
      ],
      'experiments[0].variants',
    ],
    [
      [{ name: 'x', variants: [{ name: 'a', options: { count: 3 } }, { name: 'b' }] }],
      'experiments[0].variants[0].options.count',
    ],
    [
      [
        { name: 'x', variants },
        { name: 'x', variants },
      ],
      'experiments[1].name',
    ],
  ] as const)
    assert.throws(() => readExperiments(given), { field });
  return Promise.resolve();
});
