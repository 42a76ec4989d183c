/** The .npy reader: what NumPy wrote reads back exactly, and no other bytes read at all. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'tap';
import { decodeNpy, readNpy } from '../../lib/files/npy.js';
import { random } from '../../lib/foundation/random.js';
import { npy } from '../fixtures/npy.js';
import { file, folder, isError, rejects, throws } from '../fixtures/interactions.js';

/** The files of numpy 2.4.6 (`numpy.save`, and `numpy.lib.format.write_array` for the versions 2.0 and 3.0). */
const NUMPY = {
  float32:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAIA/AAAgwAAAQEDNzMw9yvJJcQAAAIA=',
  float64:
    'k05VTVBZAgB0AAAAeydkZXNjcic6ICc8ZjgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwgMiksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIApVVVVVVVXVPwAAAAAAAABA',
  float16:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGYyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDExLCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAACAADwAwP97AAQBAFU1AHwA/AB+',
  int64:
    'k05VTVBZAwB0AAAAeydkZXNjcic6ICc8aTgnLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMywpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoFAAAAAAAAAPn/////////AQAAAAAAIAA=',
  int32:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGk0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoFAAAA+f///w==',
  scalar:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY4JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKCksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAAAEQA==',
  empty:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDAsIDQpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAo=',
  fortran:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAAABAQAAAgD8AAIBAAAAAQAAAoEA=',
  bigEndian:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPmY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAAAP4AAAA==',
  objects:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnfE8nLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAqABJWNAAAAAAAAAIwWbnVtcHkuX2NvcmUubXVsdGlhcnJheZSMDF9yZWNvbnN0cnVjdJSTlIwFbnVtcHmUjAduZGFycmF5lJOUSwCFlEMBYpSHlFKUKEsBSwKFlGgDjAVkdHlwZZSTlIwCTziUiYiHlFKUKEsDjAF8lE5OTkr/////Sv////9LP3SUYoldlChOSwFldJRiLg==',
  records:
    'k05VTVBZAQB2AHsnZGVzY3InOiBbKCdhJywgJzxpNCcpLCAoJ2InLCAnPGY0JyldLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMSwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoBAAAAAAAAQA==',
  texts:
    'k05VTVBZAQB2AHsnZGVzY3InOiAnPFUyJywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsKSwgfSAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAphAAAAAAAAAGIAAABjAAAA',
};
const decode = (name: keyof typeof NUMPY) => decodeNpy(Buffer.from(NUMPY[name], 'base64'), name);

test('what NumPy wrote: element types, versions, shapes', async () => {
  assert.deepEqual(decode('float32'), { shape: [2, 3], data: Float32Array.of(1, -2.5, 3, 0.1, 1e30, -0) });
  assert.deepEqual(decode('float64'), { shape: [1, 2], data: Float64Array.of(1 / 3, 2) });
  const halves = [0, -0, 1, -2, 65504, 6.103515625e-5, 5.960464477539063e-8, 0.333251953125, Infinity, -Infinity, NaN];
  assert.deepEqual(decode('float16'), { shape: [11], data: Float32Array.from(halves) });
  assert.deepEqual(decode('int64'), { shape: [3], data: BigInt64Array.of(5n, -7n, 9007199254740993n) });
  assert.deepEqual(decode('int32'), { shape: [2], data: Int32Array.of(5, -7) });
  assert.deepEqual(decode('scalar'), { shape: [], data: Float64Array.of(2.5) });
  assert.deepEqual(decode('empty'), { shape: [0, 4], data: new Float32Array(0) });
});

test('booleans and small integers', async () => {
  const of = (descr: string, data: ArrayBufferView & { length: number }) =>
    decodeNpy(npy(descr, [data.length], new Uint8Array(data.buffer.slice(0) as ArrayBuffer)), descr).data;
  assert.deepEqual(of('|b1', Uint8Array.of(1, 0, 1)), Int32Array.of(1, 0, 1));
  assert.deepEqual(of('|u1', Uint8Array.of(200, 3)), Int32Array.of(200, 3));
  assert.deepEqual(of('|i1', Int8Array.of(-7, 3)), Int32Array.of(-7, 3));
  assert.deepEqual(of('<u2', Uint16Array.of(65535)), Int32Array.of(65535));
  assert.deepEqual(of('<i2', Int16Array.of(-32768)), Int32Array.of(-32768));
  assert.deepEqual(of('<u4', Uint32Array.of(4294967295)), Float64Array.of(4294967295));
});

test('every float16 is the number that its bits spell', async () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const { data } = decodeNpy(npy('<f2', [65536], new Uint8Array(bits.buffer)), 'halves');
  const seen = new Set<number>();
  for (let i = 0; i < 0x7c00; i++) {
    const value = data[i] as number;
    assert.ok(i === 0 ? value === 0 : value > (data[i - 1] as number), `half ${i}`);
    assert.equal(data[i + 0x8000], -value);
    seen.add(value);
  }
  assert.equal(seen.size, 0x7c00);
  for (let i = 0x7c01; i < 0x8000; i++) assert.ok(Number.isNaN(data[i]));
});

test('bytes that are not aligned are copied, aligned ones are not', async () => {
  const bytes = Buffer.from(NUMPY.float64, 'base64');
  for (let shift = 0; shift < 8; shift++) {
    const room = new Uint8Array(bytes.length + 8);
    room.set(bytes, shift);
    const { data } = decodeNpy(room.subarray(shift, shift + bytes.length), 'shifted');
    assert.deepEqual(data, Float64Array.of(1 / 3, 2));
    assert.equal(data.buffer === room.buffer, shift === 0);
  }
});

test('other element types and orders are unsupported by name', async () => {
  throws(() => decode('fortran'), 'UNSUPPORTED', /Fortran/, /ascontiguousarray/);
  throws(() => decode('bigEndian'), 'UNSUPPORTED', />f4/, /<f4/);
  throws(() => decodeNpy(npy('<u8', [1], new Uint8Array(8)), 'u8'), 'UNSUPPORTED', /<u8/, /<i8/);
  throws(() => decode('objects'), 'UNSUPPORTED', /\|O/);
  throws(() => decode('texts'), 'UNSUPPORTED', /<U2/);
  throws(() => decode('records'), 'INVALID_DATA', /header is malformed/);
  const version = Buffer.from(NUMPY.float32, 'base64');
  version[6] = 4;
  throws(() => decodeNpy(version, 'v'), 'UNSUPPORTED', /4\.0/);
});

const HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
const four = new Uint8Array(24);

test('headers: any order of keys, with and without the last comma', async () => {
  for (const header of [
    HEADER,
    "{'shape': (2, 3,), 'descr': '<f4', 'fortran_order': False}",
    "{ 'fortran_order':False,'descr':'<f4','shape':(2,3)}   ",
  ]) {
    assert.deepEqual(decodeNpy(npy(header, four), 'h').shape, [2, 3], header);
  }
});

test('malformed headers', async () => {
  for (const header of [
    '',
    '{}',
    'None',
    '[1]',
    HEADER.slice(0, -1),
    `${HEADER}x`,
    HEADER.replace('descr', 'dtype'),
    HEADER.replace('False', 'false'),
    HEADER.replace("'<f4'", '"<f4"'),
    HEADER.replace('(2, 3)', '(6)'),
    HEADER.replace('(2, 3)', '[2, 3]'),
    HEADER.replace('(2, 3)', '(2,, 3)'),
    HEADER.replace('(2, 3)', '(2 3)'),
    HEADER.replace('(2, 3)', '(-2, 3)'),
    HEADER.replace('(2, 3)', '(,)'),
    HEADER.replace(', }', ", 'shape': (2, 3), }"),
    HEADER.replace(', }', ", 'x': 1, }"),
    HEADER.replace("'shape': (2, 3), ", ''),
    HEADER.replace(", 'fortran", "  'fortran"),
    "{'descr': (2, 3), 'fortran_order': False, 'shape': (2, 3)}",
  ]) {
    throws(() => decodeNpy(npy(header, four), 'h'), 'INVALID_DATA', /h: the header is malformed/);
  }
});

test('sizes that the file does not fill are refused, however large', async () => {
  for (const shape of [
    '(2, 4)',
    '(2, 2)',
    '(5,)',
    '(99999999999999999999999, 0)',
    '(4294967296, 4294967296)',
    '(9007199254740991, 9007199254740991, 2)',
    '()',
    '(0, 0)',
  ]) {
    throws(
      () => decodeNpy(npy(HEADER.replace('(2, 3)', shape), four), 'h'),
      'INVALID_DATA',
      /shape does not fit/,
      /24 bytes/,
    );
  }
  const bytes = npy(HEADER, four);
  for (let length = 0; length < bytes.length; length++)
    throws(() => decodeNpy(bytes.subarray(0, length), 'cut'), 'INVALID_DATA');
  throws(() => decodeNpy(Buffer.concat([bytes, new Uint8Array(1)]), 'long'), 'INVALID_DATA', /25 bytes/);
  const stated = npy(HEADER, four, 2);
  new DataView(stated.buffer, stated.byteOffset).setUint32(8, 0xffffffff, true);
  throws(() => decodeNpy(stated, 'length'), 'INVALID_DATA', /header length/);
  const padded = HEADER.replace(', }', `,${' '.repeat(20_000)}}`);
  throws(() => decodeNpy(npy(padded, four), 'length'), 'INVALID_DATA', /header length/);
});

test('random damage gives an array of the stated size or a typed error', async () => {
  const stream = random(3, 'npy');
  const original = Buffer.from(NUMPY.float32, 'base64');
  let read = 0;
  for (let k = 0; k < 3000; k++) {
    const bytes = Buffer.from(
      original.subarray(0, stream.below(4) === 0 ? stream.below(original.length) : original.length),
    );
    for (let change = stream.below(4); change >= 0 && bytes.length > 0; change--)
      bytes[stream.below(bytes.length)] = stream.below(256);
    try {
      const { shape, data } = decodeNpy(bytes, 'damaged');
      assert.equal(
        shape.reduce((a, b) => a * b, 1),
        data.length,
      );
      read++;
    } catch (error) {
      isError(error, (error as { code: 'INVALID_DATA' }).code);
    }
  }
  assert.ok(read > 50, `only ${read} were harmless`);
});

test('readNpy: files', async () => {
  const name = join(folder, file(Buffer.from(NUMPY.int32, 'base64'), 'ids.npy'));
  assert.deepEqual(await readNpy(name), { shape: [2], data: Int32Array.of(5, -7) });
  await rejects(readNpy(join(folder, 'none.npy')), 'MISSING_FILE', /none\.npy/);
});
