/** The safetensors format: bytes as its specification says, random tensors both ways, and files that lie. */
import assert from 'node:assert/strict';
import { test } from 'tap';
import fc from 'fast-check';
import { InnerloopError } from '../../lib/foundation/errors.js';
import { decodeSafetensors, encodeSafetensors } from '../../lib/files/safetensors.js';
import type { NamedArray } from '../../lib/files/safetensors.js';
import { joined, text } from '../fixtures/bytes.js';
import { typed } from '../fixtures/typed-errors.js';

const raw = (a: NamedArray): Uint8Array => new Uint8Array(a.data.buffer, a.data.byteOffset, a.data.byteLength);

test('safetensors: a tiny file byte by byte, as the specification says', async () => {
  const json =
    '{"__metadata__":{"k":"v"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' +
    '"b":{"dtype":"U8","shape":[],"data_offsets":[8,9]}}';
  assert.equal(json.length, 130); // so 6 spaces to 136 = 0x88
  const expected = [
    ...[0x88, 0, 0, 0, 0, 0, 0, 0],
    ...Buffer.from(json, 'ascii'),
    ...[0x20, 0x20, 0x20, 0x20, 0x20, 0x20],
    ...[0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0], // 1 and −2, IEEE 754 little-endian
    0x07,
  ];
  const b = { shape: [], data: Uint8Array.of(7) };
  const w = { shape: [2], data: Float32Array.of(1, -2) };
  assert.deepEqual([...joined(encodeSafetensors({ b, w }, { k: 'v' }))], expected);
  const { tensors, metadata } = decodeSafetensors(Uint8Array.from(expected), 'm');
  assert.deepEqual({ ...metadata }, { k: 'v' });
  assert.deepEqual({ ...tensors }, { w, b });
  const none = [8, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d, ...Array<number>(6).fill(0x20)];
  assert.deepEqual([...joined(encodeSafetensors({}, {}))], none);
});

test('safetensors: aligned, deterministic, and neither writing nor reading copies', async () => {
  const a = { shape: [3], data: Uint8Array.of(1, 2, 3) };
  const z = { shape: [1, 2], data: Float64Array.of(0.1, -0) };
  const m = { shape: [0, 5], data: new Int32Array(0) };
  const n = { shape: [1], data: Float32Array.of(NaN) };
  const chunks = encodeSafetensors({ a, n, z, m }, { y: '1', x: '2' });
  const bytes = joined(chunks);
  assert.deepEqual(bytes, joined(encodeSafetensors({ m, z, n, a }, { x: '2', y: '1' })));
  for (const [k, { data }] of [z, n, a].entries()) assert.equal(chunks[k + 1].buffer, data.buffer);
  const { tensors } = decodeSafetensors(bytes, 'm');
  assert.deepEqual(Object.keys(tensors), ['z', 'm', 'n', 'a']);
  for (const { data } of Object.values(tensors)) assert.equal(data.buffer, bytes.buffer);
  // The same file at an odd address: correct, by copying what is not aligned.
  const odd = new Uint8Array(bytes.length + 1);
  odd.set(bytes, 1);
  assert.deepEqual({ ...decodeSafetensors(odd.subarray(1), 'm').tensors }, { z, m, n, a });
});

const arrays = { F32: Float32Array, F64: Float64Array, I32: Int32Array, U8: Uint8Array };
const tensorOf = fc
  .tuple(fc.constantFrom(...Object.values(arrays)), fc.array(fc.nat(4), { maxLength: 3 }))
  .chain(([type, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1) * type.BYTES_PER_ELEMENT;
    return fc.uint8Array({ minLength: size, maxLength: size }).map((bits): NamedArray => {
      return { shape, data: new type(Uint8Array.from(bits).buffer) };
    });
  });
const oddNames = fc.constantFrom('__proto__', 'constructor', '10', '9', '"\\\u0000');
const nameOf = fc.oneof(fc.string({ unit: 'grapheme' }), oddNames);
const entriesOf = <T>(value: fc.Arbitrary<T>) => fc.array(fc.tuple(nameOf, value), { maxLength: 6 });
const fileOf = fc.record({ tensors: entriesOf(tensorOf), metadata: entriesOf(nameOf) });
const nullRecord = <T>(entries: [string, T][]): Record<string, T> =>
  Object.setPrototypeOf(Object.fromEntries(entries), null) as Record<string, T>;

test('safetensors: random tensors come back bit for bit, whatever their names', async () => {
  fc.assert(
    fc.property(fileOf, (file) => {
      const tensors = nullRecord(file.tensors);
      const metadata = nullRecord(file.metadata);
      const bytes = joined(encodeSafetensors(tensors, metadata));
      const back = decodeSafetensors(bytes, 'm');
      assert.equal(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8, 0);
      assert.deepEqual(back.metadata, metadata);
      assert.deepEqual(Object.keys(back.tensors).sort(), Object.keys(tensors).sort());
      for (const [name, { shape, data }] of Object.entries(tensors)) {
        assert.deepEqual(back.tensors[name].shape, shape);
        assert.equal(back.tensors[name].data.constructor, data.constructor);
        assert.deepEqual(raw(back.tensors[name]), raw({ shape, data }));
      }
      assert.equal(Object.getPrototypeOf(back.tensors), null);
    }),
    { numRuns: 300 },
  );
});

/** Decodes damaged bytes: either a MODEL_FILE error, or views that lie in the file and fit their shapes. */
function survives(bytes: Uint8Array): 'read' | 'refused' {
  try {
    for (const { shape, data } of Object.values(decodeSafetensors(bytes, 'm').tensors)) {
      assert.equal(
        data.length,
        shape.reduce((a, b) => a * b, 1),
      );
      if (data.buffer === bytes.buffer) assert.ok(data.byteOffset + data.byteLength <= bytes.byteOffset + bytes.length);
      else assert.ok(data.byteLength <= bytes.length);
    }
    return 'read';
  } catch (error) {
    assert.ok(error instanceof InnerloopError && error.code === 'MODEL_FILE', String(error));
    return 'refused';
  }
}

test('safetensors: no damage to the header crashes the reader or leads it out of the file', async () => {
  const seen = { read: 0, refused: 0 };
  const likely = fc.constantFrom(...Buffer.from('0123456789{}[]",:\\ e-.'));
  const damage = fc.array(fc.tuple(fc.nat(), fc.oneof(likely, fc.nat(255))), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fileOf, damage, (file, hits) => {
      const bytes = joined(encodeSafetensors(nullRecord(file.tensors), nullRecord(file.metadata)));
      const header = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
      for (const [at, value] of hits) bytes[at % header] = value;
      seen[survives(bytes)]++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(seen.read > 10 && seen.refused > 1000, JSON.stringify(seen));
});

test('safetensors: a file cut anywhere, or with a byte too many, is refused', async () => {
  const b = { shape: [3], data: Uint8Array.of(1, 2, 3) };
  const bytes = joined(encodeSafetensors({ a: { shape: [2], data: Float64Array.of(1, 2) }, b }, { k: 'v' }));
  assert.equal(survives(bytes), 'read');
  for (let n = 0; n < bytes.length; n++) assert.equal(survives(bytes.slice(0, n)), 'refused', `first ${n} bytes`);
  assert.equal(survives(joined([bytes, Uint8Array.of(0)])), 'refused');
});

/** A file with this header text (or these bytes) and `size` bytes of data. */
function crafted(header: string | Uint8Array, size = 0): Uint8Array {
  const json = typeof header === 'string' ? text(header) : header;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length), true);
  return joined([length, json, new Uint8Array(size)]);
}
const one = (shape: string, offsets: string, dtype = '"F32"'): string =>
  `{"w":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;
const two = (v: string): string => `${one('[1]', '[0,4]').slice(0, -1)},"v":${v}}`;

const hostile: [string, Uint8Array, RegExp][] = [
  ['nothing', new Uint8Array(0), /too short/],
  ['length 2^64−1', joined([new Uint8Array(8).fill(255), text('{}')]), /18446744073709551615.*at most 2 bytes/],
  ['length over the limit', Object.assign(new Uint8Array(100_000_020), [1, 0xe1, 0xf5, 5]), /at most 100000000/],
  ['byte order mark', crafted('\ufeff{}'), /first byte/],
  ['not UTF-8', crafted(Uint8Array.of(0x7b, 0xff, 0x7d)), /UTF-8/],
  ['trailing text', crafted('{} x'), /last "}"/],
  ['open string', crafted('{"w'), /closing quote/],
  ['control character', crafted('{"\n":1}'), /JSON string/],
  ['lone surrogate', crafted('{"\\ud800":{}}'), /surrogate/],
  ['a number for a tensor', crafted('{"w":1}'), /tensor "w".*expected "\{"/],
  ['number in metadata', crafted('{"__metadata__":{"epoch":3}}'), /__metadata__ "epoch".*string/],
  ['twice the metadata', crafted('{"__metadata__":{},"__metadata__":{}}'), /twice.*__metadata__/],
  ['twice a metadata key', crafted('{"__metadata__":{"a":"1","\\u0061":"2"}}'), /twice.*"a"/],
  ['twice a tensor', crafted(two(`{"dtype":"U8","shape":[0],"data_offsets":[4,4]},"w":{}`), 4), /twice.*"w"/],
  ['twice a field', crafted('{"w":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'), /twice.*"dtype"/],
  ['no dtype', crafted('{"w":{"shape":[1],"data_offsets":[0,4]}}', 4), /"w": no dtype/],
  ['no shape', crafted('{"w":{"dtype":"F32","data_offsets":[0,4]}}', 4), /"w": no shape/],
  ['one offset', crafted(one('[1]', '[0]'), 4), /"w": no data_offsets/],
  ['three offsets', crafted(one('[1]', '[0,4,4]'), 4), /"w": data_offsets.*2 numbers/],
  ['unknown field', crafted('{"w":{"strides":[1]}}'), /"w": unknown field.*"strides"/],
  ['unknown dtype', crafted(one('[1]', '[0,2]', '"F16"'), 2), /"w": unsupported dtype.*"F16".*F32, F64/],
  ['inherited dtype', crafted(one('[1]', '[0,4]', '"constructor"'), 4), /unsupported dtype/],
  ['negative size', crafted(one('[-1]', '[0,4]'), 4), /"w": shape.*non-negative/],
  ['fraction', crafted(one('[1.0]', '[0,4]'), 4), /"w": shape/],
  ['leading zero', crafted(one('[01]', '[0,4]'), 4), /"w": shape/],
  ['huge size', crafted(one('[1]', '[0,99999999999999999999]'), 4), /"w": data_offsets is too large/],
  ['product overflows', crafted(one('[4294967296,4294967296,4294967296]', '[0,4]'), 4), /"w": the shape does not fit/],
  ['overflow hidden by 0', crafted(one('[4294967296,4294967296,0]', '[0,0]')), /"w": the shape does not fit/],
  ['begin after end', crafted(one('[1]', '[4,0]'), 4), /"w": data_offsets out of range.*\[4, 0\]/],
  ['past the end', crafted(one('[2]', '[0,8]'), 4), /"w": data_offsets out of range.*≤ 4/],
  ['shape too small', crafted(one('[1]', '[0,8]'), 8), /"w": the shape does not fit.*8 bytes/],
  ['hole in front', crafted(one('[1]', '[4,8]'), 8), /"w": leaves a hole.*begin at 0/],
  ['overlap', crafted(two('{"dtype":"U8","shape":[4],"data_offsets":[2,6]}'), 6), /"v": overlaps.*begin at 4/],
  ['bytes behind', crafted(one('[1]', '[0,4]'), 5), /after the last tensor/],
  ['deep nesting', crafted('{"w":' + '['.repeat(5_000_000)), /tensor "w"/],
];
for (const [what, bytes, pattern] of hostile) {
  test(`safetensors, hostile: ${what}`, async () => {
    assert.throws(() => decodeSafetensors(bytes, 'x.safetensors'), typed('MODEL_FILE', pattern));
  });
}

test('safetensors: what is legal though unusual is read', async () => {
  const header =
    '{"__proto__" :\t{"data_offsets":[1, 5],"shape":[ ],"dtype":"F32"},\n' +
    '"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}';
  const { tensors } = decodeSafetensors(crafted(header, 5), 'm');
  assert.deepEqual(Object.keys(tensors), ['__proto__', 'u']);
  assert.deepEqual(tensors['__proto__'], { shape: [], data: Float32Array.of(0) }); // misaligned, so a copy
  assert.equal(({} as Record<string, unknown>).shape, undefined);
});

test('safetensors: what cannot be written is refused by name', async () => {
  const write =
    (name: string, tensor: object, metadata: object = {}) =>
    () =>
      encodeSafetensors({ [name]: tensor as NamedArray }, metadata as Record<string, string>);
  const good = { shape: [1], data: Float32Array.of(1) };
  assert.throws(write('__metadata__', good), typed('INVALID_OPTION', /reserved/));
  assert.throws(write('\ud800', good), typed('INVALID_OPTION', /surrogate/));
  assert.throws(write('w', { ...good, shape: [2] }), typed('INVALID_OPTION', /tensors\["w"\].*\[2\].*product 1/));
  assert.throws(write('w', { ...good, shape: [-1, -1] }), typed('INVALID_OPTION', /shape/));
  const half = { shape: [1], data: new Uint16Array(1) };
  assert.throws(write('w', half), typed('INVALID_OPTION', /Uint16Array.*Float32Array/));
  assert.throws(write('w', good, { epoch: 3 }), typed('INVALID_OPTION', /metadata\["epoch"\].*got 3/));
});
