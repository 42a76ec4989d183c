/** Guesses the encoding of a text that is not UTF-8: each candidate decodes it, and the most plausible letters win. */
import { show } from '../foundation/errors.js';
import { decoderOf, firstContents } from './files.js';
import type { FirstContents, FoundFile } from './files.js';
import { advice } from './table-source.js';

/** The candidates; of equal scores the earlier wins. Every sequence of bytes is valid latin-1, so there is always one. */
const ENCODINGS = ['latin-1', 'gbk', 'windows-1251', 'shift_jis', 'euc-kr', 'big5', 'koi8-r', 'windows-1250'] as const;
/** How many bytes of a file the guess looks at; the whole file is decoded only when it is read. */
const MOST_BYTES = 16 << 20;

/** The letters and punctuation beyond ASCII that are usual in western and in central European texts. */
const WESTERN = /[àâäáãåçéèêëíîïìñóôöòõøœúùûüßæÀÁÂÄÃÅÇÉÈÊËÍÎÏÑÓÔÖÕØÚÙÛÜÆ’‘“”–—…€£°«»¿¡©®™ªº·•]/u;
const EASTERN = /[ąćęłńóśźżáčďéěíňřšťúůýžőűăâîșțşţäöüĄĆĘŁŃŚŹŻČĎĚŇŘŠŤŮŽŐŰßáéíóú’“”„–…]/u;

/** How plausible a decoded text is: the mean of `weigh` over its characters beyond ASCII; -1 if there are none. */
function likelihood(text: string, encoding: (typeof ENCODINGS)[number]): number {
  let [sum, count] = [0, 0];
  const characters = [...text];
  characters.forEach((c, k) => {
    if (c < '\x80') return;
    count++;
    const [before, after] = [characters[k - 1] ?? ' ', characters[k + 1] ?? ' '];
    sum += weigh(c, before, after, encoding);
  });
  if (count === 0) return -1;
  // At least a third of the letters in Russian words are vowels; a text with fewer than a quarter was decoded wrongly.
  const isCyrillic = encoding === 'windows-1251' || encoding === 'koi8-r';
  const vowels = text.match(/[аеёиоуыэюя]/giu)?.length ?? 0;
  return sum / count - (isCyrillic && vowels < count / 4 ? 0.7 : 0);
}

/** How plausible character `c` is between its neighbours, from -2 (a control or private-use character) to 1. */
function weigh(c: string, before: string, after: string, encoding: (typeof ENCODINGS)[number]): number {
  if (/[\x80-\x9f\ue000-\uf8ff]/.test(c)) return -2;
  const isLatin = (other: string) => /[A-Za-z]/.test(other);
  const isForeign = (other: string) => other >= '\x80' && /\p{L}/u.test(other);
  if (encoding === 'latin-1' || encoding === 'windows-1250') {
    // Words of these languages rarely have three letters beyond ASCII in a row.
    if (isForeign(c) && isForeign(before) && isForeign(after)) return -1;
    // A capital letter right after a small one does not occur inside a word.
    if (/\p{Lu}/u.test(c) && /\p{Ll}/u.test(before)) return -1;
    const usual = encoding === 'latin-1' ? WESTERN : EASTERN;
    return usual.test(c) ? (encoding === 'latin-1' ? 0.9 : 0.8) : /\p{L}/u.test(c) ? 0.2 : -0.5;
  }
  if (encoding === 'windows-1251' || encoding === 'koi8-r') {
    if (!/[а-яёА-ЯЁ]/u.test(c)) return /[«»№–—…“”]/u.test(c) ? 0.5 : -1;
    if (isLatin(before) || isLatin(after)) return -1;
    if (/\p{Lu}/u.test(c) && /\p{Ll}/u.test(before)) return -1;
    return /[а-яё]/u.test(before) || /[а-яё]/u.test(after) ? 1 : 0.3;
  }
  // An East Asian character between Latin letters is a sign of wrong decoding.
  if (isLatin(before) || isLatin(after)) return -0.7;
  if (encoding === 'shift_jis')
    return /[\u3040-\u30ff]/.test(c) ? 1 : /[\uff61-\uff9f]/.test(c) ? -0.8 : /\p{Script=Han}/u.test(c) ? 0.5 : 0;
  if (encoding === 'euc-kr') return /[\uac00-\ud7a3]/.test(c) ? 1 : -0.3;
  // GBK and Big5 share most byte values; in GBK the characters in daily use are those of GB 2312's first level.
  if (!/\p{Script=Han}/u.test(c)) return /[，。、；：？！（）《》“”]/u.test(c) ? 0.5 : -0.3;
  return encoding === 'gbk' ? (isFrequent(c) ? 0.95 : 0.1) : 0.6;
}

/** The first level of GB 2312: 3,755 characters, sorted by pronunciation from 啊 on, which make up nearly all of a Chinese text. */
let frequent: ReadonlySet<string> | undefined;
const isFrequent = (c: string): boolean => (frequent ??= firstLevel()).has(c);
function firstLevel(): ReadonlySet<string> {
  const bytes: number[] = [];
  for (let high = 0xb0; high <= 0xd7; high++) for (let low = 0xa1; low <= 0xfe; low++) bytes.push(high, low);
  return new Set(new TextDecoder('gbk').decode(Uint8Array.from(bytes)));
}

interface Guess {
  encoding: string;
  /** A line of the file, decoded in this encoding. */
  example: string;
  score: number;
}

/** The encodings in which a text is valid, the most plausible first. */
export function guessEncodings(bytes: Uint8Array, isWhole: boolean): Guess[] {
  const lines = foreignLines(bytes);
  const guesses: Guess[] = [];
  for (const encoding of ENCODINGS) {
    try {
      const decoder = decoderOf({ encoding }, 'files');
      // If the bytes are only the beginning of the file, they may end within a character.
      decoder.decode(bytes, { stream: !isWhole });
      // Without `stream`, Node.js 20 decodes windows-1252 as ISO 8859-1.
      const text = decoderOf({ encoding }, 'files').decode(lines, { stream: true });
      guesses.push({ encoding, example: text.split('\n')[0].trim(), score: likelihood(text, encoding) });
    } catch {
      // The bytes are not valid in this encoding, so it is not a candidate.
    }
  }
  return guesses.sort((a, b) => b.score - a.score);
}

/** The lines with bytes above 127, at most 2,000 of them, each with its line feed. */
function foreignLines(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let from = 0; from < bytes.length && parts.length < 2000;) {
    const end = bytes.indexOf(10, from);
    const line = bytes.subarray(from, end < 0 ? bytes.length : end + 1);
    if (line.some((byte) => byte > 127)) parts.push(line);
    from += line.length;
  }
  return Buffer.concat(parts);
}

/** The options to write for files that are not UTF-8, with a line decoded in the encoding advised. */
export async function encodingAdvice(files: readonly FoundFile[], field: string): Promise<string> {
  const { path, bytes, complete } = await firstForeign(files, field);
  const all = bytes.length === 0 ? [] : guessEncodings(bytes, complete);
  const [best = { encoding: 'latin-1', example: '', score: 0 }, ...others] = all;
  // The second guess is named too if it is nearly as plausible and decodes the line differently.
  const near = others
    .filter(({ score, example }) => score > Math.max(0, best.score - 0.25) && example !== best.example)
    .slice(0, 1);
  const shown = [best, ...near].map(
    ({ encoding, example }) =>
      `${advice(field, { encoding })}${example === '' ? '' : ` (a line then is ${show(example)})`}`,
  );
  return `UTF-8, or the encoding of ${show(path)}; ${shown.join(', or ')}`;
}

/** The first file whose beginning is not UTF-8; the first of all files if every beginning is. */
async function firstForeign(files: readonly FoundFile[], field: string): Promise<FoundFile & FirstContents> {
  let first: (FoundFile & FirstContents) | undefined;
  for (const file of files) {
    const found = { ...file, ...(await contentsOrNothing(file, field)) };
    if (!isUtf8(found)) return found;
    first ??= found;
  }
  return first!;
}

function isUtf8({ bytes, complete }: FirstContents): boolean {
  try {
    // If the bytes are only the beginning of the file, they may end within a character.
    decoderOf({}, 'files').decode(bytes, { stream: !complete });
    return true;
  } catch {
    return false;
  }
}

/** The beginning of a file; no bytes if this Node.js cannot decompress it. */
async function contentsOrNothing(file: FoundFile, field: string): Promise<FirstContents> {
  try {
    return await firstContents(file, MOST_BYTES, field);
  } catch {
    return { bytes: Buffer.alloc(0), complete: true };
  }
}
