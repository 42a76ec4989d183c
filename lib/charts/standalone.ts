import { CHART_STYLE } from './style.js';
import { escape, sample } from './svg.js';
import type { Drawing } from './svg.js';

const HEAD = 30;
const KEY = 18;
const MARGIN = 10;

/** A drawing as an SVG file of its own: with title, legend, colours and paper. */
export function standalone({ title, unit, width, height, content, description, legend }: Drawing): string {
  const keys = legend.map((key, k) => {
    const y = HEAD + height + KEY * (k + 0.5);
    return `<g transform="translate(${MARGIN} ${y - 5})">${sample(key)}</g><text class="tick" x="${MARGIN + 34}" y="${y + 4}">${escape(key.name)}</text>`;
  });
  const total = HEAD + height + KEY * legend.length + (legend.length > 0 ? MARGIN : 0);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" width="${2 * width}" height="${2 * total}" role="img" aria-label="${escape(description)}">
<style>${CHART_STYLE}</style>
<rect class="paper" width="${width}" height="${total}"/>
<text class="title" x="${MARGIN}" y="20">${escape(title)} <tspan class="tick">${escape(unit)}</tspan></text>
<g transform="translate(0 ${HEAD})">${content}</g>${keys.join('')}
</svg>
`;
}
