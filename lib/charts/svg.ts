/** Parts that all charts share. They bring no script, font or colour, only classes (style.ts has the colours). */

export const escape = (text: string) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
export const round = (value: number) => Math.round(value * 10) / 10;

/** Colour classes; series beyond the last start again, dashed. */
export const TONES = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth'] as const;
export type Tone = (typeof TONES)[number] | 'plain';

/** Size and content of an SVG, and the text that stands for it. */
export interface Drawing {
  title: string;
  /** What the numbers are in. */
  unit: string;
  width: number;
  height: number;
  content: string;
  /** For those who cannot see it. */
  description: string;
  legend: readonly Key[];
}
export interface Key {
  name: string;
  tone: Tone;
  dashed?: boolean;
}

export const line = (d: string, { tone, dashed }: { tone: Tone; dashed?: boolean }) =>
  `<path class="line ${tone}${dashed ? ' dashed' : ''}" d="${d}"/>`;

/** The mark of a point. Each tone has a shape of its own, so that series are told apart without colours, too. */
export function mark(tone: Tone, x: number, y: number, dashed: boolean, text = ''): string {
  const shape = TONES.findIndex((each) => each === tone);
  const title = text === '' ? '' : `<title>${escape(text)}</title>`;
  const attributes = `class="dot ${tone}${dashed ? ' hollow' : ''}"`;
  if (shape <= 0) return `<circle ${attributes} cx="${x}" cy="${y}" r="3.6">${title}</circle>`;
  return `<path ${attributes} d="M${x} ${y}${SHAPES[shape - 1]}z">${title}</path>`;
}
/** A point that is seen, with its text, only where the pointer is. */
export const touched = (x: number, y: number, text: string): string =>
  `<circle class="touch" cx="${x}" cy="${y}" r="5"><title>${escape(text)}</title></circle>`;
/** Square, triangle, diamond, triangle downwards and cross, drawn around a point. */
const SHAPES = [
  'm-3.2-3.2h6.4v6.4h-6.4',
  'm0-4.6l4.4 7.8h-8.8',
  'm0-4.8l4.6 4.8l-4.6 4.8l-4.6-4.8',
  'm0 4.6l4.4-7.8h-8.8',
  'm-1.5-4.3h3v2.8h2.8v3h-2.8v2.8h-3v-2.8h-2.8v-3h2.8',
] as const;

/** What is wider than {@link USUAL}, in em, in the bold weight of the widest usual font of interfaces (DejaVu Sans, Verdana). */
const WIDE: Readonly<Record<string, number>> = {
  m: 1.05,
  w: 0.93,
  M: 1,
  W: 1.11,
  '%': 1.01,
  '@': 1,
  '…': 1,
  '−': 0.84,
  '+': 0.84,
};
/** The width of lower-case letters and digits, and of every character in a font of one width. */
const USUAL = 0.7;
const CAPITAL = 0.85;
const NARROW = 0.605;

/** The most that a text takes, in em, whatever font the reader has: a page brings none of its own. */
export function widestText(text: string): number {
  let width = 0;
  for (const c of text)
    width +=
      WIDE[c] ??
      (/[\sijlftr.,:;'|()[\]-]/.test(c) ? NARROW : /[a-z0-9]/.test(c) ? USUAL : /[A-Z]/.test(c) ? CAPITAL : 1);
  return width;
}

/** A text in as many lines as its room asks for, in em: broken between words, and within one that is wider than a line. */
export function broken(text: string, room: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widestText(longer) <= room) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    line = '';
    for (const point of word) {
      if (line !== '' && widestText(line + point) > room) {
        lines.push(line);
        line = '';
      }
      line += point;
    }
  }
  return [...lines, line];
}

/** A piece of a line with a mark, 26 by 10, for legends. */
export const sample = (key: Key): string => `${line('M1 5H25', key)}${mark(key.tone, 13, 5, key.dashed === true)}`;

/** A figure of a page: title, SVG and legend. */
export function figure({ title, unit, width, height, content, description, legend }: Drawing): string {
  const keys = legend.map(
    (key) =>
      `<span class="key"><svg width="26" height="10" aria-hidden="true">${sample(key)}</svg>${escape(key.name)}</span>`,
  );
  const svg = `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(description)}">${content}</svg>`;
  const below = keys.length === 0 ? '' : `<div class="legend">${keys.join('')}</div>`;
  return `<figure><figcaption><b>${escape(title)}</b>${unit === '' ? '' : ` <span class="unit">${escape(unit)}</span>`}</figcaption>${svg}${below}</figure>`;
}
