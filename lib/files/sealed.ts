/**
 * Model files and checkpoints: safetensors files, readable by any reader of these, under one digest.
 *
 * The first metadata entry, `digest`, is the SHA-256 of all bytes of the file but its own 64 hexadecimal digits: header,
 * metadata, names, shapes and data. It stands at a fixed place, so that it is checked before anything of the file is read.
 */
import { createHash } from 'node:crypto';
import { InnerloopError } from '../foundation/errors.js';
import { METADATA } from './safetensors-header.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';
import type { NamedArray } from './safetensors.js';

const DIGITS = 64;
/** What stands before the digest: the length of the header, then this. */
const PREFIX = 8;
const OPENING = Buffer.from(`{"${METADATA}":{"digest":"`);
const AT = PREFIX + OPENING.length;
/** How the files of version 0.1 begin, whose metadata was under no checksum. */
const OLD_OPENING = Buffer.from(`{"${METADATA}":{"checksum":"`);

/**
 * The bytes of a sealed file, as chunks to be written one after the other.
 * @param metadata by names that sort after `digest`, such as format, version and manifest
 */
export function encodeSealed(tensors: Record<string, NamedArray>, metadata: Record<string, string>): Uint8Array[] {
  const chunks = encodeSafetensors(tensors, { ...metadata, digest: '0'.repeat(DIGITS) });
  const [head] = chunks;
  if (Buffer.compare(head.subarray(PREFIX, AT), OPENING) !== 0) {
    throw new InnerloopError('INVALID_OPTION', 'an entry comes before the digest', {
      field: 'metadata',
      value: Object.keys(metadata),
      expected: 'names that sort after "digest"',
    });
  }
  head.set(Buffer.from(digestOf(chunks)), AT);
  return chunks;
}

/**
 * Reads a sealed file. Whatever bit of it has changed, and wherever it was cut, it is refused.
 *
 * @param field - its name in error messages, usually the path
 * @param remedy - what to do about a file of version 0.1
 * @throws InnerloopError `MODEL_FILE` for a file that is damaged, of version 0.1 or something else; `UNSUPPORTED` on a
 *   big-endian machine
 */
export function decodeSealed(
  bytes: Uint8Array,
  field: string,
  remedy: string,
): { tensors: Record<string, NamedArray>; metadata: Record<string, string> } {
  const begins = (opening: Buffer) => Buffer.compare(bytes.subarray(PREFIX, PREFIX + opening.length), opening) === 0;
  if (begins(OLD_OPENING)) {
    throw new InnerloopError('MODEL_FILE', 'written by innerloop 0.1, which is not read any more', {
      field,
      expected: remedy,
    });
  }
  if (!begins(OPENING)) {
    throw new InnerloopError('MODEL_FILE', 'damaged, or not a file of this package', {
      field,
      expected: 'a file that begins with its digest',
    });
  }
  const stated = Buffer.from(bytes.subarray(AT, AT + DIGITS)).toString('latin1');
  if (stated !== digestOf([bytes])) {
    throw new InnerloopError('MODEL_FILE', 'damaged: the digest of the file does not fit', {
      field,
      expected: 'the bytes that were written',
    });
  }
  const { tensors, metadata } = decodeSafetensors(bytes, field);
  delete metadata['digest'];
  return { tensors, metadata };
}

/** The digest that a sealed file states: it names the contents. */
export function statedDigest(head: Uint8Array): string {
  return Buffer.from(head.subarray(AT, AT + DIGITS)).toString('latin1');
}

/** The digest is taken of all bytes but its own digits, which are in the first chunk. */
function digestOf([head, ...rest]: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
    .update(head.subarray(0, AT))
    .update(head.subarray(AT + DIGITS));
  for (const chunk of rest) hash.update(chunk);
  return hash.digest('hex');
}
