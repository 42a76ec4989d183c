/** Which encoding a text that is not UTF-8 is probably in: by what its bytes are as letters of each. */
import { show } from '../foundation/errors.js';
import { decoderOf, firstContents } from './files.js';
import type { FirstContents, FoundFile } from './files.js';
import { advice } from './table-source.js';

/** In the order in which they are preferred where letters do not tell: the first is what every file is valid in. */
const ENCODINGS = ['latin-1', 'gbk', 'windows-1251', 'shift_jis', 'euc-kr', 'big5', 'koi8-r', 'windows-1250'] as const;
/** So much of a file is looked at; the whole of it is decoded when it is read. */
const MOST_BYTES = 16 << 20;

/** What stands in words of the west, by how they are written there: 0.3 for letters of few languages. */
const WESTERN = /[àâäáãåçéèêëíîïìñóôöòõøœúùûüßæÀÁÂÄÃÅÇÉÈÊËÍÎÏÑÓÔÖÕØÚÙÛÜÆ’‘“”–—…€£°«»¿¡©®™ªº·•]/u;
const EASTERN = /[ąćęłńóśźżáčďéěíňřšťúůýžőűăâîșțşţäöüĄĆĘŁŃŚŹŻČĎĚŇŘŠŤŮŽŐŰßáéíóú’“”„–…]/u;

/** How likely a text is that was decoded so, from -1 to 1 for each character that is not ASCII. */
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
  // A third of the letters of Russian words or more are vowels.
  const isCyrillic = encoding === 'windows-1251' || encoding === 'koi8-r';
  const vowels = text.match(/[аеёиоуыэюя]/giu)?.length ?? 0;
  return sum / count - (isCyrillic && vowels < count / 4 ? 0.7 : 0);
}

function weigh(c: string, before: string, after: string, encoding: (typeof ENCODINGS)[number]): number {
  if (/[\x80-\x9f\ue000-\uf8ff]/.test(c)) return -2;
  const isLatin = (other: string) => /[A-Za-z]/.test(other);
  const isForeign = (other: string) => other >= '\x80' && /\p{L}/u.test(other);
  if (encoding === 'latin-1' || encoding === 'windows-1250') {
    // Words of these languages have few such letters beside each other.
    if (isForeign(c) && isForeign(before) && isForeign(after)) return -1;
    // A capital behind a small letter is none.
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
  // A word of letters with one of these signs inside is none.
  if (isLatin(before) || isLatin(after)) return -0.7;
  if (encoding === 'shift_jis')
    return /[\u3040-\u30ff]/.test(c) ? 1 : /[\uff61-\uff9f]/.test(c) ? -0.8 : /\p{Script=Han}/u.test(c) ? 0.5 : 0;
  if (encoding === 'euc-kr') return /[\uac00-\ud7a3]/.test(c) ? 1 : -0.3;
  // The signs that are in use have the first bytes in these encodings.
  if (!/\p{Script=Han}/u.test(c)) return /[，。、；：？！（）《》“”]/u.test(c) ? 0.5 : -0.3;
  return encoding === 'gbk' ? (isFrequent(c) ? 0.95 : 0.1) : 0.6;
}

/** Of GB 2312's first level: the signs that nearly all of a text is made of are sorted by sound there, from 啊 on. */
let frequent: ReadonlySet<string> | undefined;
const isFrequent = (c: string): boolean => (frequent ??= firstLevel()).has(c);
function firstLevel(): ReadonlySet<string> {
  const bytes: number[] = [];
  for (let high = 0xb0; high <= 0xd7; high++) for (let low = 0xa1; low <= 0xfe; low++) bytes.push(high, low);
  return new Set(new TextDecoder('gbk').decode(Uint8Array.from(bytes)));
}

interface Guess {
  encoding: string;
  /** A line of the file, read so. */
  example: string;
  score: number;
}

/** The encodings that a text may be in, the likeliest first. */
export function guessEncodings(bytes: Uint8Array, isWhole: boolean): Guess[] {
  const lines = foreignLines(bytes);
  const guesses: Guess[] = [];
  for (const encoding of ENCODINGS) {
    try {
      const decoder = decoderOf({ encoding }, 'files');
      // A character may be cut at the end of a part.
      decoder.decode(bytes, { stream: !isWhole });
      // Node.js 20 reads windows-1252 as ISO 8859-1 where it is not told that more may come.
      const text = decoderOf({ encoding }, 'files').decode(lines, { stream: true });
      guesses.push({ encoding, example: text.split('\n')[0].trim(), score: likelihood(text, encoding) });
    } catch {
      // Bytes that the encoding does not have.
    }
  }
  return guesses.sort((a, b) => b.score - a.score);
}

/** The lines with bytes above 127, up to some thousand, each with its line feed. */
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

/** What to write for files that are not UTF-8, with a line read so. */
export async function encodingAdvice(files: readonly FoundFile[], field: string): Promise<string> {
  const { path, bytes, complete } = await firstForeign(files, field);
  const all = bytes.length === 0 ? [] : guessEncodings(bytes, complete);
  const [best = { encoding: 'latin-1', example: '', score: 0 }, ...others] = all;
  // What is nearly as likely is said too.
  const near = others
    .filter(({ score, example }) => score > Math.max(0, best.score - 0.25) && example !== best.example)
    .slice(0, 1);
  const shown = [best, ...near].map(
    ({ encoding, example }) =>
      `${advice(field, { encoding })}${example === '' ? '' : ` (a line then is ${show(example)})`}`,
  );
  return `UTF-8, or the encoding of ${show(path)}; ${shown.join(', or ')}`;
}

/** The first of the files whose first bytes are not UTF-8, or the first of all where that shows in none. */
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
    // A character may be cut at the end of a part.
    decoderOf({}, 'files').decode(bytes, { stream: !complete });
    return true;
  } catch {
    return false;
  }
}

/** The beginning of a file; no bytes where it cannot be decompressed here. */
async function contentsOrNothing(file: FoundFile, field: string): Promise<FirstContents> {
  try {
    return await firstContents(file, MOST_BYTES, field);
  } catch {
    return { bytes: Buffer.alloc(0), complete: true };
  }
}
