/**
 * ONNX files: the messages of onnx.proto that a graph needs, written as protobuf (https://protobuf.dev/programming-guides/encoding).
 * Numbers in comments are the fields' in onnx.proto.
 */
import { InnerloopError } from '../foundation/errors.js';

/** Types of elements, as TensorProto.DataType numbers them. */
const ELEMENTS = { float: 1, int32: 6, int64: 7, double: 11 } as const;
export type OnnxElement = keyof typeof ELEMENTS;

/** Operators are those of this version, which onnxruntime reads since 1.11. */
const OPSET = 17;
const IR_VERSION = 8;
/** A protobuf message cannot be longer. */
const MOST_BYTES = 2 ** 31 - 1;

type Bytes = Uint8Array;

/** An attribute of a node: an integer, a text, or integers. */
export type OnnxAttribute = number | string | readonly number[];

/** A number is a size, a text the name of one that may differ from call to call. */
export type OnnxShape = readonly (number | string)[];

// ------------------------------------------------------------------------------------------------- protobuf

function varint(value: number): Bytes {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

const integer = (field: number, value: number): Bytes[] => [varint(field << 3), varint(value)];
function block(field: number, parts: readonly Bytes[]): Bytes[] {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [varint((field << 3) | 2), varint(length), ...parts];
}
const text = (field: number, value: string): Bytes[] => block(field, [Buffer.from(value, 'utf8')]);

// ---------------------------------------------------------------------------------------------------- graph

/** Collects nodes, constants, inputs and outputs. Names of values are made here, except those of inputs and outputs. */
export class OnnxGraph {
  readonly #nodes: Bytes[] = [];
  readonly #initializers: Bytes[] = [];
  readonly #inputs: Bytes[] = [];
  readonly #outputs: Bytes[] = [];
  readonly #constants = new Map<string, string>();
  #values = 0;

  input(name: string, element: OnnxElement, shape: OnnxShape): string {
    this.#inputs.push(...block(11, valueInfo(name, element, shape)));
    return name;
  }

  /** Gives a value the name of an output. */
  output(name: string, value: string, element: OnnxElement, shape: OnnxShape): void {
    this.node('Identity', [value], {}, name);
    this.#outputs.push(...block(12, valueInfo(name, element, shape)));
  }

  /** A tensor that the file holds. Little-endian, as raw data of ONNX is. */
  tensor(name: string, shape: readonly number[], element: OnnxElement, data: ArrayBufferView): string {
    const dims = shape.flatMap((size) => integer(1, size));
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#initializers.push(
      ...block(5, [...dims, ...integer(2, ELEMENTS[element]), ...text(8, name), ...block(9, [raw])]),
    );
    return name;
  }

  /** Integers, as operators take axes and bounds. */
  integers(...values: number[]): string {
    const key = `integers ${values.join(' ')}`;
    let name = this.#constants.get(key);
    if (name === undefined) {
      name = this.tensor(`c${this.#constants.size}`, [values.length], 'int64', BigInt64Array.from(values, BigInt));
      this.#constants.set(key, name);
    }
    return name;
  }

  /** A node with one output. @returns the output's name */
  node(
    operator: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
    output = `v${this.#values++}`,
  ): string {
    this.#nodes.push(...block(1, nodeOf(operator, inputs, [output], attributes)));
    return output;
  }

  /** A node of whose outputs the second alone is read. @returns its name */
  second(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, OnnxAttribute>>): string {
    const output = `v${this.#values++}`;
    this.#nodes.push(...block(1, nodeOf(operator, inputs, ['', output], attributes)));
    return output;
  }

  /** The file. @throws {InnerloopError} UNSUPPORTED where it would be longer than ONNX can be */
  encode(producer: { version: string; doc: string; metadata: Readonly<Record<string, string>> }): Uint8Array {
    const graph = [...this.#nodes, ...text(2, 'innerloop'), ...this.#initializers, ...this.#inputs, ...this.#outputs];
    const parts = [
      ...integer(1, IR_VERSION),
      ...text(2, 'innerloop'),
      ...text(3, producer.version),
      ...text(6, producer.doc),
      ...block(7, graph),
      ...block(8, [...text(1, ''), ...integer(2, OPSET)]),
      ...Object.entries(producer.metadata).flatMap(([key, value]) => block(14, [...text(1, key), ...text(2, value)])),
    ];
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length > MOST_BYTES)
      throw new InnerloopError('UNSUPPORTED', 'is too large for an ONNX file', {
        field: 'model',
        value: length,
        expected: `at most ${MOST_BYTES} bytes; the safetensors file has no such limit`,
      });
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}

function nodeOf(
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, OnnxAttribute>>,
): Bytes[] {
  return [
    ...inputs.flatMap((name) => text(1, name)),
    ...outputs.flatMap((name) => text(2, name)),
    ...text(4, operator),
    ...Object.entries(attributes).flatMap(([name, value]) => block(5, attributeOf(name, value))),
  ];
}

/** AttributeProto: i = 3, s = 4, ints = 8; type = 20, of which 2 is INT, 3 STRING, 7 INTS. */
function attributeOf(name: string, value: OnnxAttribute): Bytes[] {
  if (typeof value === 'number') return [...text(1, name), ...integer(3, value), ...integer(20, 2)];
  if (typeof value === 'string') return [...text(1, name), ...text(4, value), ...integer(20, 3)];
  return [...text(1, name), ...value.flatMap((each) => integer(8, each)), ...integer(20, 7)];
}

function valueInfo(name: string, element: OnnxElement, shape: OnnxShape): Bytes[] {
  const dims = shape.flatMap((size) => block(1, typeof size === 'number' ? integer(1, size) : text(2, size)));
  return [...text(1, name), ...block(2, block(1, [...integer(1, ELEMENTS[element]), ...block(2, dims)]))];
}

/** The element type of numbers of a precision. */
export const elementOf = (precision: 'float32' | 'float64'): OnnxElement =>
  precision === 'float32' ? 'float' : 'double';
