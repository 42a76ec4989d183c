/** Lists of texts as tensors: their bytes one after the other, and where each begins. */
import { InnerloopError } from '../foundation/errors.js';
import { LONE_SURROGATE } from './safetensors-header.js';
import type { NamedArray } from './safetensors.js';

/** UTF-8, or UTF-16 where a text has a lone surrogate, which has no UTF-8 form. */
export type TextEncoding = 'utf8' | 'utf16le';

/** Adds the tensors `<name>.bytes` and `<name>.offsets` [texts + 1]. */
export function storeTexts(tensors: Record<string, NamedArray>, name: string, texts: readonly string[]): TextEncoding {
  const encoding = texts.some((text) => LONE_SURROGATE.test(text)) ? 'utf16le' : 'utf8';
  let total = 0;
  for (const text of texts) total += Buffer.byteLength(text, encoding);
  // Not an Int32Array where it could not count the bytes.
  const offsets = total < 2 ** 31 ? new Int32Array(texts.length + 1) : new Float64Array(texts.length + 1);
  const bytes = Buffer.allocUnsafeSlow(total);
  let at = 0;
  for (let i = 0; i < texts.length; i++) offsets[i + 1] = at += bytes.write(texts[i], at, encoding);
  tensors[`${name}.bytes`] = { shape: [total], data: new Uint8Array(bytes.buffer, 0, total) };
  tensors[`${name}.offsets`] = { shape: [offsets.length], data: offsets };
  return encoding;
}

/** The inverse of {@link storeTexts}. @throws InnerloopError `MODEL_FILE` */
export function restoreTexts(tensors: Record<string, NamedArray>, name: string, encoding: TextEncoding): string[] {
  const bytes = tensors[`${name}.bytes`]?.data;
  const offsets = tensors[`${name}.offsets`]?.data;
  const isDamaged =
    !(bytes instanceof Uint8Array) ||
    !(offsets instanceof Int32Array || offsets instanceof Float64Array) ||
    offsets[0] !== 0 ||
    offsets[offsets.length - 1] !== bytes.length ||
    (encoding !== 'utf8' && encoding !== 'utf16le') ||
    offsets.some((at, i) => !Number.isInteger(at) || (i > 0 && at < offsets[i - 1]));
  if (isDamaged) throw new InnerloopError('MODEL_FILE', 'the texts are missing or damaged', { field: name });
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  // Latin-1 is read at half the price, and is UTF-8 where all bytes are ASCII, as those of most ids.
  const reads = encoding === 'utf8' && bytes.every((byte) => byte < 0x80) ? 'latin1' : encoding;
  const texts = new Array<string>(offsets.length - 1);
  for (let i = 0; i < texts.length; i++) texts[i] = buffer.toString(reads, offsets[i], offsets[i + 1]);
  return texts;
}
