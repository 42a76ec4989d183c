/** Charts that several series stay readable in: labels beside each other, colours and marks that can be told apart, offsets. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import { apart } from '../../lib/charts/end-labels.js';
import { drawLines } from '../../lib/charts/lines.js';
import type { LineSeries } from '../../lib/charts/lines.js';
import { STYLE } from '../../lib/charts/style.js';
import { mark, TONES } from '../../lib/charts/svg.js';
import { random } from '../../lib/foundation/random.js';

const NAMES = ['ridge', 'ridge, not adapted', 'item mean', 'user + item bias', 'content ridge', 'MeLU'];
const x = [0, 1, 3, 5, 10, 20];
const six = (name: string, s: number): LineSeries => {
  const y = x.map((_, i) => 0.9 - 0.03 * i - 0.001 * s);
  return { name, x, y, low: y.map((value) => value - 0.02), high: y.map((value) => value + 0.02) };
};
const chart = { title: 'mae by support rows', x: 'support rows', y: 'mae', series: NAMES.map(six) };

test('six series: each has its name at its end, none over another, and no legend', async () => {
  const { content, legend } = drawLines(chart);
  assert.deepEqual(legend, []);
  const labels = [...content.matchAll(/<text class="end (\w+)" x="([\d.]+)" y="([\d.]+)">([^<]+)</g)];
  assert.deepEqual(new Set(labels.map(([, tone]) => tone)).size, 6);
  const texts = TONES.map((tone) =>
    labels
      .filter(([, of]) => of === tone)
      .map(([, , , , text]) => text)
      .join(' '),
  );
  assert.deepEqual(texts, NAMES, 'whole names, in the order of the series');
  const heights = labels.map(([, , , y]) => Number(y)).sort((a, b) => a - b);
  heights.slice(1).forEach((y, k) => assert.ok(y - heights[k] >= 13.9, `${heights.join(', ')}`));
  // The plot ends before the labels begin.
  const [ends, begins] = [
    Math.max(...[...content.matchAll(/H([\d.]+)"/g)].map(([, at]) => Number(at))),
    Number(labels[0][2]),
  ];
  assert.ok(ends < begins);
  const one = drawLines({ ...chart, series: chart.series.slice(0, 1) });
  assert.deepEqual(one.legend, [], 'nor has a series alone');
  assert.ok(one.content.includes(chart.series[0].name));
  // Names that are too long or too many for labels are in a legend.
  assert.equal(
    drawLines({ ...chart, series: NAMES.map((name, s) => six(`${name} of a configuration with a long name`, s)) })
      .legend.length,
    6,
  );
  assert.equal(
    drawLines({ ...chart, series: Array.from({ length: 16 }, (_, s) => six(`learner ${s}`, s)) }).legend.length,
    16,
  );
});

test('intervals at the same value of x are beside each other', async () => {
  const { content } = drawLines(chart);
  const bars = [...content.matchAll(/<path class="bar \w+" d="([^"]*)"/g)].map(([, d]) =>
    [...d.matchAll(/M([\d.]+) [\d.]+V[\d.]+M([\d.]+) [\d.]+h([\d.]+)/g)].map(([, middle, left, width]) => ({
      middle: Number(middle),
      from: Number(left),
      to: Number(left) + Number(width),
    })),
  );
  assert.deepEqual(
    bars.map(({ length }) => length),
    NAMES.map(() => x.length),
  );
  x.forEach((_, i) => {
    const here = bars.map((of) => of[i]).sort((a, b) => a.middle - b.middle);
    here.slice(1).forEach(({ from }, k) => assert.ok(from > here[k].to, 'caps do not overlap'));
    if (i > 0) assert.ok(here[0].from > Math.max(...bars.map((of) => of[i - 1].to)), 'nor those of the next value');
  });
});

test('a title does not repeat what an axis says', async () => {
  const caption = (title: string, y: string) => {
    const { title: shown, unit } = drawLines({ ...chart, title, y });
    return [shown, unit];
  };
  assert.deepEqual(caption('mae by support rows', 'mae'), ['mae', '']);
  assert.deepEqual(caption('mae by support rows, Alpha', 'mae'), ['mae, Alpha', '']);
  assert.deepEqual(caption('mae by support rows asked', 'mae'), ['mae by support rows asked', '']);
  assert.deepEqual(caption('Training loss', 'query loss after adaptation'), [
    'Training loss',
    'query loss after adaptation',
  ]);
});

test('labels are moved as little as keeps them apart and within the chart', async () => {
  assert.deepEqual(
    apart(
      [
        { at: 50, height: 10 },
        { at: 90, height: 10 },
      ],
      0,
      200,
    ),
    [50, 90],
    'nothing is in the way',
  );
  assert.deepEqual(
    apart(
      [
        { at: 50, height: 10 },
        { at: 50, height: 10 },
      ],
      0,
      200,
    ),
    [45, 55],
  );
  assert.deepEqual(
    apart(
      [
        { at: 2, height: 10 },
        { at: 3, height: 20 },
      ],
      0,
      200,
    ),
    [5, 20],
  );
  assert.deepEqual(
    apart(
      [
        { at: 195, height: 10 },
        { at: 199, height: 10 },
      ],
      0,
      200,
    ),
    [185, 195],
  );
  const stream = random(3, 'test.apart');
  for (let round = 0; round < 200; round++) {
    const boxes = Array.from({ length: 1 + stream.below(7) }, () => ({
      at: 200 * stream.uniform(),
      height: 10 + 15 * stream.uniform(),
    }));
    boxes.sort((a, b) => a.at - b.at);
    const middles = apart(boxes, 0, 200);
    boxes.forEach(({ height }, k) => {
      const above = k === 0 ? 0 : middles[k - 1] + boxes[k - 1].height / 2;
      assert.ok(middles[k] - height / 2 >= above - 1e-9 && middles[k] + height / 2 <= 200 + 1e-9);
    });
  }
});

// ------------------------------------------------------------------------------------------------------------ colours

type Rgb = [number, number, number];
/** How colours look with full colour blindness, in linear RGB (Machado, Oliveira & Fernandes 2009). */
const VISION: Record<string, readonly (readonly number[])[]> = {
  usual: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};
function linear(hex: string): Rgb {
  const full = hex.length === 4 ? hex.replaceAll(/[0-9a-f]/g, '$&$&') : hex;
  const of = (at: number) => {
    const value = parseInt(full.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [of(1), of(3), of(5)];
}
/** Oklab, whose distances are about those that people see (Ottosson 2020). */
function oklab([r, g, b]: Rgb): Rgb {
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}
const seen = (colour: Rgb, vision: string) =>
  oklab(
    VISION[vision].map((row) =>
      Math.min(
        1,
        Math.max(
          0,
          row.reduce((sum, w, k) => sum + w * colour[k], 0),
        ),
      ),
    ) as Rgb,
  );
const luminance = ([r, g, b]: Rgb) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

test('colours of series can be told apart with every kind of colour blindness, and read as text', async () => {
  const schemes = [...STYLE.matchAll(/:root\{[^}]*--card[^}]*\}/g)].map(([rule]) =>
    Object.fromEntries([...rule.matchAll(/--(\w+):(#[0-9a-f]+)/g)].map(([, name, value]) => [name, linear(value)])),
  );
  assert.equal(schemes.length, 2, 'light and dark');
  for (const scheme of schemes) {
    for (const tone of TONES) {
      const [high, low] = [luminance(scheme[tone]), luminance(scheme['card'])].sort((a, b) => b - a);
      assert.ok((high + 0.05) / (low + 0.05) >= 4.5, `${tone}: contrast of text (WCAG AA)`);
    }
    for (const vision of Object.keys(VISION))
      TONES.forEach((a, k) =>
        TONES.slice(k + 1).forEach((b) => {
          const [one, other] = [seen(scheme[a], vision), seen(scheme[b], vision)];
          // Two hundredths can just be seen side by side; thin lines apart from each other need several times as much.
          const distance = Math.hypot(...one.map((value, c) => value - other[c]));
          assert.ok(distance > 0.1, `${a} and ${b} with ${vision}: ${distance.toFixed(3)}`);
        }),
      );
  }
  // And without colours by the shapes of their marks.
  const shapes = TONES.map((tone) => mark(tone, 0, 0, false).replace(tone, ''));
  assert.equal(new Set(shapes).size, TONES.length);
});
