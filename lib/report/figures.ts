/** Draws the charts of a run. */
import { drawIntervals } from '../charts/intervals.js';
import type { IntervalRow } from '../charts/intervals.js';
import { drawLines } from '../charts/lines.js';
import type { LineSeries } from '../charts/lines.js';
import type { Drawing, Tone } from '../charts/svg.js';
import type { EpochLine, RunFolder, StoredMethod, StoredSet } from './read.js';
import { words } from './words.js';

/** A drawing and the name of its file, without the extension. */
export interface Figure {
  name: string;
  drawing: Drawing;
}

/** One chart for each metric, with every method that has it; the run's own learner is coloured. */
export function resultFigures({ set, methods }: StoredSet, own: string | undefined): Figure[] {
  const metrics = [...new Set(methods.flatMap((method) => Object.keys(method.metrics)))];
  return metrics.flatMap((metric): Figure[] => {
    const rows = methods.flatMap(({ method, metrics: { [metric]: result } }): IntervalRow[] =>
      typeof result?.mean === 'number'
        ? [{ name: method, mean: result.mean, low: result.low, high: result.high, tone: toneOf(method, own) }]
        : [],
    );
    return rows.length < 2
      ? []
      : [{ name: `${set}-${metric}`, drawing: drawIntervals({ title: metric, unit: `on ${words(set)}`, rows }) }];
  });
}

/** The distribution of the first metric over users: the median, and the range from the 5th to the 95th percentile. */
export function distributionFigure({ set, methods }: StoredSet, own: string | undefined): Figure[] {
  const [metric] = Object.keys(methods[0]?.metrics ?? {});
  const rows = methods.flatMap(({ method, metrics: { [metric]: result } }): IntervalRow[] => {
    const [low, , median, , high] = result?.quantiles ?? [];
    return typeof median === 'number' && typeof low === 'number' && typeof high === 'number'
      ? [{ name: method, mean: median, low, high, tone: toneOf(method, own) }]
      : [];
  });
  if (rows.length === 0) return [];
  const title = `${metric} over users`;
  return [
    { name: `${set}-${metric}-users`, drawing: drawIntervals({ title, unit: 'median, and nine users of ten', rows }) },
  ];
}

function toneOf(method: string, own: string | undefined): Tone {
  if (own === undefined || (method !== own && !method.startsWith(`${own},`))) return 'plain';
  return method.includes('not adapted') ? 'second' : 'first';
}

/** One chart for each metric of the adapted learner, with its mean in each group. */
export function groupFigures(set: string, { groups = {} }: StoredMethod): Figure[] {
  return Object.entries(groups).flatMap(([metric, { groups: parts }]): Figure[] => {
    const rows = parts.flatMap(({ group, mean, low, high }): IntervalRow[] =>
      mean === null ? [] : [{ name: group, mean, low, high, tone: 'first' }],
    );
    return rows.length < 2
      ? []
      : [
          {
            name: `${set}-${metric}-groups`,
            drawing: drawIntervals({ title: `${metric} by group`, unit: `on ${words(set)}`, rows }),
          },
        ];
  });
}

/** A reliability diagram: observed frequencies by predicted probability, before and after adaptation. */
export function reliabilityFigure({ set, methods }: StoredSet): Figure[] {
  const measured = methods.filter(({ reliability }) => reliability !== undefined && reliability.bins.length > 0);
  if (measured.length === 0) return [];
  const series = measured.map(({ method, reliability }): LineSeries => ({
    name: `${method} (ECE ${reliability!.ece.toFixed(3)})`,
    x: reliability!.bins.map(({ predicted }) => predicted),
    y: reliability!.bins.map(({ observed }) => observed),
    tone: method.includes('not adapted') ? 'second' : 'first',
  }));
  const ideal: LineSeries = { name: 'as predicted', x: [0, 1], y: [0, 1], tone: 'plain', dashed: true };
  return [
    {
      name: `${set}-reliability`,
      drawing: drawLines({
        title: 'Reliability',
        x: 'predicted probability',
        y: 'share that happened',
        series: [...series, ideal],
        spacing: 'linear',
        from: 'zero',
      }),
    },
  ];
}

/** Loss, validation metric and gradient norm over the epochs, with one line for each phase of training. */
export function learningFigures({ epochs, manifest }: RunFolder): Figure[] {
  const phases = [...new Set(epochs.map(({ phase }) => phase))];
  const curve = (title: string, y: string, value: (line: EpochLine) => number | undefined, name: string): Figure[] => {
    const series = phases.flatMap((phase): LineSeries[] => {
      const lines = epochs.filter((line) => line.phase === phase && Number.isFinite(value(line)));
      return lines.length === 0
        ? []
        : [{ name: phase, x: lines.map(({ epoch }) => epoch), y: lines.map((line) => value(line)!) }];
    });
    return series.length === 0
      ? []
      : [{ name, drawing: drawLines({ title, x: 'epoch', y, series, spacing: 'linear' }) }];
  };
  const metric = manifest?.best?.metric ?? 'metric';
  return [
    ...curve('Training loss', 'query loss after adaptation', ({ loss }) => loss, 'training-loss'),
    ...curve('Validation', `${metric} after adaptation`, ({ validation }) => validation, 'validation'),
    ...curve('Gradient norm', 'of the meta-gradient, mean', ({ gradientNorm }) => gradientNorm, 'gradient-norm'),
  ];
}
