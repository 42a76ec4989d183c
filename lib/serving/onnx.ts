/** Models as ONNX files: the shared one, one adapted by hand, and a personal model that scores items of the catalog. */
import { packageVersion, runNative } from '../foundation/addon.js';
import type { NativeColumn, NativeRows } from '../foundation/addon.js';
import { checkObject, checkSignal, checkString, invalid } from '../foundation/check.js';
import type { InputSpec, Parameters } from '../foundation/contract.js';
import { InnerloopError } from '../foundation/errors.js';
import { writeDurable } from '../files/durable.js';
import { elementOf, OnnxGraph } from '../files/onnx.js';
import type { OnnxShape } from '../files/onnx.js';
import { checkTensors } from '../model/check-tensors.js';
import { lossOf } from '../model/losses.js';
import type { Model } from '../model/model.js';
import { addLayers } from '../model/onnx-layers.js';
import { checkModel } from '../batch/batch.js';
import { SIDES, translateColumns } from '../batch/features.js';
import { Learner } from '../learner/learner.js';
import { rowOf, adaptedOf } from './person.js';
import type { Person } from './person.js';
import { PersonalModel } from './personal-model.js';
import { contextOf, packSupport } from './support.js';
import type { GivenContext } from './support.js';

/** The number of rows, which may differ from call to call. */
const ROWS = 'rows';
/** The input of a personal model. */
const ITEM = 'item';

/**
 * The bytes of an ONNX file that computes what `predict(model, params, rows)` does, for onnxruntime and what else reads the format.
 * Inputs have the names of the model's: ids int64 [rows], the ids of bags and sequences int64 [rows, n] with −1 after a row's last,
 * dense numbers [rows, size]. The output is `outputs` [rows, outputs].
 *
 * ```ts
 * const [adapted] = await adapt(model, params, batch, innerLoop);
 * await writeFile('shared.onnx', onnxModel(model, params));
 * await writeFile('adapted.onnx', onnxModel(model, { ...params, ...adapted }));
 * ```
 *
 * @throws {InnerloopError} INVALID_OPTION, UNKNOWN_OPTION; UNSUPPORTED for a `gru` in float64, and above 2 GiB
 */
export function onnxModel(model: Model, params: Parameters): Uint8Array {
  checkModel(model);
  checkTensors(params, 'params', model.tensors);
  const graph = new OnnxGraph();
  const given = model.spec.inputs.map((input) => {
    const shape: OnnxShape =
      input.kind === 'dense' ? [ROWS, input.size] : input.kind === 'categorical' ? [ROWS] : [ROWS, `${input.name} ids`];
    return graph.input(input.name, input.kind === 'dense' ? elementOf(model.precision) : 'int64', shape);
  });
  const outputs = addLayers(graph, model, params, given);
  graph.output('outputs', outputs, elementOf(model.precision), [ROWS, model.outputs]);
  return graph.encode({
    version: packageVersion(),
    doc: 'Outputs of a model by ids of its vocabularies.',
    metadata: { model: JSON.stringify({ ...model.spec, inputs: model.spec.inputs.map(withoutTexts) }) },
  });
}

function withoutTexts(input: InputSpec): object {
  if (input.kind === 'dense') return input;
  const { vocabulary: _, ...rest } = input;
  return rest;
}

/**
 * Writes a learner or a personal model as an ONNX file.
 *
 * Of a learner it is {@link onnxModel} of its shared parameters. Of a personal model it holds the features of the catalog too: the input
 * `item` takes numbers of items, int64 [rows], the output `scores` is what `me.predict` gives for them. The number of an item is its
 * place in the metadata `items`, a list of ids.
 *
 * ```ts
 * const me = await learner.adapt({ items: ['1', '50'], labels: [5, 2] });
 * await exportOnnx(me, 'me.onnx');
 * ```
 *
 * @param options context: features of the interactions that are scored, the same for all, where the model reads any
 * @throws {InnerloopError} UNSUPPORTED for algorithms whose predictions are no pass through the layers (learners that are graphs,
 * `laplace` with `probit`), and above 2 GiB; DISPOSED; IO; ABORTED
 */
export async function exportOnnx(
  of: Learner | PersonalModel,
  path: string,
  options: { context?: GivenContext; signal?: AbortSignal } = {},
): Promise<void> {
  checkString(path, 'path');
  checkObject(options, 'options', ['context', 'signal']);
  checkSignal(options.signal, 'options.signal');
  if (of instanceof Learner) {
    checkLayers(of);
    return writeDurable(path, [onnxModel(of.model, of.parameters())]);
  }
  if (!(of instanceof PersonalModel))
    throw invalid('of', 'neither a learner nor a personal model', of, 'a learner, or what learner.adapt gave');
  await writeDurable(path, [await personalOnnx(PersonalModel.personOf(of), options)]);
}

/** @throws {InnerloopError} UNSUPPORTED where predictions are more than the model's layers */
function checkLayers(learner: Learner): void {
  const { algorithm, isModerated } = learner;
  const refused = (message: string, expected: string) =>
    new InnerloopError('UNSUPPORTED', message, { field: 'algorithm', value: algorithm.name, expected });
  if (learner.innerLoop().graph !== undefined)
    throw refused(
      'is a graph of its own, which has no form in ONNX here',
      'an algorithm that adapts parameters of the layers',
    );
  if (isModerated) throw refused('averages over its posterior, which is no layer', 'laplace with probit: false');
}

async function personalOnnx(
  person: Person,
  { context: given, signal }: { context?: GivenContext; signal?: AbortSignal },
): Promise<Uint8Array> {
  adaptedOf(person);
  const { learner, catalog, known, support } = person;
  const { model } = learner;
  checkLayers(learner);
  const context = contextOf(learner, catalog, given, 1, 'options.context');
  // Adapted anew: what the person holds is packed for the core.
  const { packed } = packSupport(learner, catalog, support);
  const [adapted] = await runNative(signal, (token) => model.ops.adapt({ ...learner.call(packed), token }));
  const parameters = { ...learner.parameters(), ...model.named(model.ops.readAdapted(adapted, learner.store)) };

  const graph = new OnnxGraph();
  const item = graph.input(ITEM, 'int64', [ROWS]);
  const own = rowOf(learner, catalog, known, context);
  const columns = translateColumns(model, catalog).columns;
  const values = model.spec.inputs.map((input, i) =>
    addColumn(graph, model, input, own.overrides?.find((column) => column.input === i) ?? columns[i], own.sides, item),
  );
  const outputs = addLayers(graph, model, parameters, values);
  const { mean, itemBias } = learner.rows(catalog).state;
  const element = elementOf(model.precision);
  const numbers = (name: string, data: ArrayLike<number>, shape = [data.length]) =>
    graph.tensor(name, shape, element, model.floats(data));
  let scores = outputs;
  if (model.mainOutputs < model.outputs)
    scores = graph.node('Slice', [scores, graph.integers(0), graph.integers(model.mainOutputs), graph.integers(1)]);
  if (lossOf(model.spec.head).link === 'expectedClass') {
    const classes = Float64Array.from({ length: model.mainOutputs }, (_, c) => c);
    scores = graph.node('MatMul', [
      graph.node('Softmax', [scores], { axis: 1 }),
      numbers('classes', classes, [model.mainOutputs, 1]),
    ]);
  }
  scores = graph.node('Squeeze', [scores, graph.integers(1)]);
  scores = graph.node('Add', [scores, numbers('mean', [mean + (itemBias === undefined ? 0 : known.bias)])]);
  if (itemBias !== undefined)
    scores = graph.node('Add', [scores, graph.node('Gather', [numbers('itemBias', itemBias), item], { axis: 0 })]);
  graph.output('scores', scores, element, [ROWS]);
  return graph.encode({
    version: packageVersion(),
    doc: 'Scores of items for one user: item is a place in the list `items` of the metadata.',
    metadata: { items: JSON.stringify(catalog.items.keys.values) },
  });
}

/** The values of one input for the items that are asked for: a row of the file's for each item, or the same for all. */
function addColumn(
  graph: OnnxGraph,
  model: Model,
  input: InputSpec,
  { side, dense, ids, offsets }: NativeColumn,
  sides: NativeRows['sides'],
  item: string,
): string {
  const name = `column.${input.name}`;
  const perItem = side === SIDES.items || side === SIDES.itemId;
  const at = sides[side];
  const row = typeof at === 'number' ? at : at[0];
  const begin = (r: number) => offsets?.[r] ?? r;
  const rows = perItem ? undefined : row;
  let table: string;
  if (dense !== undefined) {
    const { size } = input as InputSpec & { kind: 'dense' };
    const data = rows === undefined ? dense : dense.subarray(rows * size, (rows + 1) * size);
    table = graph.tensor(name, [data.length / size, size], elementOf(model.precision), model.floats(data));
  } else {
    const [from, to] =
      rows === undefined ? [0, offsets === undefined ? ids!.length : offsets.length - 1] : [rows, rows + 1];
    const lists = Array.from({ length: to - from }, (_, r) => ids!.subarray(begin(from + r), begin(from + r + 1)));
    if (input.kind === 'categorical') {
      table = graph.tensor(
        name,
        [lists.length],
        'int32',
        Int32Array.from(lists, ([id]) => id),
      );
    } else {
      const longest = lists.reduce((most, { length }) => Math.max(most, length), 1);
      const padded = new Int32Array(lists.length * longest).fill(-1);
      lists.forEach((list, r) => padded.set(list, r * longest));
      table = graph.tensor(name, [lists.length, longest], 'int32', padded);
    }
  }
  const index = perItem ? item : graph.node('Mul', [item, graph.integers(0)]);
  const rowsOf = graph.node('Gather', [table, index], { axis: 0 });
  return dense === undefined ? graph.node('Cast', [rowsOf], { to: 7 }) : rowsOf;
}
