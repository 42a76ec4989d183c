import type { Vocabulary } from '../foundation/contract.js';
import { nativeError } from '../foundation/addon.js';
import { CoreTextIndex } from '../foundation/core-text-index.js';
import { pieces } from '../foundation/steps.js';
import type { Steps } from '../foundation/steps.js';
import { TextIndex } from '../foundation/text-index.js';
import { refuseClones } from '../foundation/uncloneable.js';

/** Datasets, and task sets of them, are plain objects that hold vocabularies. */
const DATASET_INSTEAD =
  'its source to be sent, and openDataset or datasetFromColumns in the other thread; or shards on disk (writeShards, openShards)';

/**
 * Makes a vocabulary of `values`, whose first entry is the empty string. The index of texts is built at the first look-up, because
 * training needs none; a server builds it before its first request with {@link indexed}.
 */
export function createVocabulary(values: readonly string[]): Vocabulary {
  const refusing = {};
  refuseClones(refusing, 'dataset', DATASET_INSTEAD);
  return Object.assign(refusing, {
    values,
    idOf: (text: string) => indexOver(values).idOf(text),
    idsOf: (texts: readonly string[]) => indexOver(values).idsOf(texts),
  });
}

const indices = new WeakMap<readonly string[], TextIndex>();

/** The index over texts that are not changed any more, which is made once. */
export function indexOver(texts: readonly string[]): TextIndex {
  let index = indices.get(texts);
  if (index === undefined) indices.set(texts, (index = new TextIndex(texts)));
  return index;
}

/** The index is made in steps, and found by {@link indexOver}. */
export function* indexSteps(texts: readonly string[], before?: TextIndex): Steps<void> {
  if (!indices.has(texts)) indices.set(texts, yield* TextIndex.inSteps(texts, before));
}

/** A vocabulary with further values after those of another, whose index goes on where it has one. */
export function* extendedSteps({ values }: Vocabulary, more: readonly string[]): Steps<Vocabulary> {
  const all = values.concat(more);
  const index = indices.get(values);
  if (index !== undefined) yield* indexSteps(all, index);
  return createVocabulary(all);
}

/** The ids of many texts; 0 for a text that is not in the vocabulary. */
export function idsIn(vocabulary: Vocabulary, texts: readonly string[]): Int32Array {
  return vocabulary.idsOf?.(texts) ?? Int32Array.from(texts, (text) => vocabulary.idOf(text));
}

/** {@link idsIn} in steps, the index of the vocabulary included. */
export function* idsInSteps(vocabulary: Vocabulary, texts: readonly string[]): Steps<Int32Array> {
  if (vocabulary.idsOf !== undefined) yield* indexSteps(vocabulary.values);
  const ids = new Int32Array(texts.length);
  yield* pieces(texts.length, (from, to) => ids.set(idsIn(vocabulary, texts.slice(from, to)), from));
  return ids;
}

/** The vocabulary, with its index built. */
export function indexed(vocabulary: Vocabulary): Vocabulary {
  vocabulary.idOf('');
  return vocabulary;
}

const inCore = new WeakMap<readonly string[], { made?: CoreTextIndex; making: Promise<CoreTextIndex> }>();

/** The index of a vocabulary in the core, where it has been made. */
export function coreIndexAtHand({ values }: Vocabulary): CoreTextIndex | undefined {
  return inCore.get(values)?.made;
}

/** The same, made at the first call, in turns with the event loop. */
export function coreIndex({ values }: Vocabulary): Promise<CoreTextIndex> {
  const known = inCore.get(values);
  if (known !== undefined) return known.making;
  const making = CoreTextIndex.over(values).then(
    (made) => (index.made = made),
    (error: unknown) => {
      // The next call tries again: memory may have been short.
      inCore.delete(values);
      throw nativeError(error);
    },
  );
  const index: { made?: CoreTextIndex; making: Promise<CoreTextIndex> } = { making };
  inCore.set(values, index);
  return making;
}

const INTEGER = /^-?[0-9]{1,37}$/;

/**
 * Sorts texts in place into the order of every vocabulary: by value if all are integers of at most 37 digits, which DuckDB can
 * order as numbers, else by code point.
 */
export function sortTexts(texts: string[]): string[] {
  return texts.every((text) => INTEGER.test(text)) ? texts.sort(compareIntegers) : texts.sort(compareCodePoints);
}

/** Texts that are sorted at once; a power of two of such parts is then merged. */
const RUN = 512;

/** The texts in the same order, in steps; `texts` is overwritten. */
export function* sortSteps(texts: string[]): Steps<string[]> {
  const { length } = texts;
  let isIntegers = true;
  yield* pieces(length, (from, to) => {
    for (let i = from; i < to && isIntegers; i++) isIntegers = INTEGER.test(texts[i]);
  });
  const compare = isIntegers ? compareIntegers : compareCodePoints;
  for (let from = 0; from < length; from += RUN) {
    const run = texts.slice(from, from + RUN).sort(compare);
    for (let i = 0; i < run.length; i++) texts[from + i] = run[i];
    yield;
  }
  let [source, target] = [texts, texts.slice()];
  for (let width = RUN; width < length; width *= 2) {
    for (let start = 0; start < length; start += 2 * width) {
      const [middle, end] = [Math.min(length, start + width), Math.min(length, start + 2 * width)];
      for (let i = start, j = middle, to = start; to < end; to++) {
        const isLeft = i < middle && (j === end || compare(source[i], source[j]) <= 0);
        target[to] = isLeft ? source[i++] : source[j++];
        if (to % RUN === 0) yield;
      }
    }
    [source, target] = [target, source];
  }
  return source;
}

/** Texts that are sorted, each once. */
export function* distinctSteps(sorted: readonly string[]): Steps<string[]> {
  const distinct: string[] = [];
  yield* pieces(sorted.length, (from, to) => {
    for (let i = from; i < to; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) distinct.push(sorted[i]);
  });
  return distinct;
}

/** Compares integers by value, and texts of equal value (`7`, `07`) by code point. */
function compareIntegers(a: string, b: string): number {
  const aSign = signOf(a);
  const bSign = signOf(b);
  if (aSign !== bSign) return aSign - bSign;
  const aDigits = a.replace(/^-?0*/, '');
  const bDigits = b.replace(/^-?0*/, '');
  const magnitude = aDigits.length - bDigits.length || compareCodePoints(aDigits, bDigits);
  return (aSign < 0 ? -magnitude : magnitude) || compareCodePoints(a, b);
}

function signOf(digits: string): number {
  if (/^-?0*$/.test(digits)) return 0;
  return digits.startsWith('-') ? -1 : 1;
}

/** Compares in the order of UTF-8 bytes, which is DuckDB's; JavaScript's `<` compares UTF-16 units and differs above U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xSurrogate = x >= 0xd800 && x <= 0xdfff;
    const ySurrogate = y >= 0xd800 && y <= 0xdfff;
    if (xSurrogate !== ySurrogate) return xSurrogate ? 1 : -1;
    return x - y;
  }
  return a.length - b.length;
}
