/** Ensembles as files: the files of the members in one, under one digest. */
import type { Algorithm } from '../meta/algorithm.js';
import { checkArray, checkInteger, checkObject, checkString, invalid } from '../foundation/check.js';
import { resolveDevice } from '../foundation/device.js';
import { InnerloopError } from '../foundation/errors.js';
import { readWhole, writeDurable } from '../files/durable.js';
import type { NamedArray } from '../files/safetensors.js';
import { decodeSealed, encodeSealed } from '../files/sealed.js';
import { createEnsemble, Ensemble } from '../learner/ensemble.js';
import type { Learner } from '../learner/learner.js';
import { decodeLearner, encodeLearner, REMEDY } from './persist.js';
import type { LoadOptions } from './persist.js';
import './ensemble.js';

const FORMAT = 'innerloop-ensemble';
const VERSION = '1';

/** Options of `loadEnsemble`. */
export interface LoadEnsembleOptions extends Pick<LoadOptions, 'threads' | 'device'> {
  /** What `defineAlgorithm` returned for members whose algorithm has a graph, which no file holds. */
  algorithms?: readonly Algorithm[];
}

/**
 * Saves an ensemble as one safetensors file that holds each member's own. The file is replaced as a whole or not at all.
 *
 * @throws {InnerloopError} INVALID_OPTION, IO
 */
export async function saveEnsemble(ensemble: Ensemble, path: string): Promise<void> {
  if (!(ensemble instanceof Ensemble))
    throw invalid('ensemble', 'not an ensemble', ensemble, 'what createEnsemble returned');
  checkString(path, 'path');
  const tensors: Record<string, NamedArray> = {};
  ensemble.members.forEach((member, k) => {
    const data = new Uint8Array(Buffer.concat(encodeLearner(member)));
    tensors[`members.${k}`] = { shape: [data.length], data };
  });
  const metadata = { format: FORMAT, version: VERSION, members: String(ensemble.members.length) };
  await writeDurable(path, encodeSealed(tensors, metadata));
}

/**
 * Loads an ensemble that {@link saveEnsemble} wrote.
 *
 * @throws {InnerloopError} as `loadLearner`
 */
export async function loadEnsemble(path: string, options: LoadEnsembleOptions = {}): Promise<Ensemble> {
  const loaded = await loadPredictor(path, options);
  if (loaded instanceof Ensemble) return loaded;
  throw new InnerloopError('MODEL_FILE', 'holds one learner', { field: path, expected: 'an ensemble; or loadLearner' });
}

/** @internal What a file holds: a learner or an ensemble. */
export async function loadPredictor(path: string, options: LoadEnsembleOptions = {}): Promise<Learner | Ensemble> {
  checkString(path, 'path');
  checkObject(options, 'options', ['threads', 'device', 'algorithms']);
  const { threads, device, algorithms = [] } = options as LoadEnsembleOptions;
  if (threads !== undefined) checkInteger(threads, 'options.threads', 1, 1024);
  if (device !== undefined) resolveDevice(device, 'options.device');
  checkArray(algorithms, 'options.algorithms', 'algorithms');
  const bytes = await readWhole(path);
  const { tensors, metadata } = decodeSealed(bytes, path, REMEDY);
  if (metadata['format'] !== FORMAT) return decodeLearner(bytes, path, { threads, device });
  const count = Number(metadata['members']);
  if (metadata['version'] !== VERSION || !Number.isInteger(count) || count < 2)
    throw new InnerloopError('MODEL_FILE', 'not an ensemble of this version', {
      field: path,
      value: metadata['version'],
      expected: `${FORMAT} version ${VERSION}`,
    });
  const members = Array.from({ length: count }, (_, k) => {
    const own = tensors[`members.${k}`]?.data;
    if (!(own instanceof Uint8Array))
      throw new InnerloopError('MODEL_FILE', `lacks member ${k}`, { field: path, expected: `${count} members` });
    return decodeMember(own, `${path}, member ${k}`, { threads, device }, algorithms);
  });
  return createEnsemble(members);
}

/** With the first algorithm that is that of the file, where it needs one. */
function decodeMember(
  bytes: Uint8Array,
  path: string,
  options: LoadOptions,
  algorithms: readonly Algorithm[],
): Learner {
  try {
    return decodeLearner(bytes, path, options);
  } catch (error) {
    if (!(error instanceof InnerloopError) || error.field !== 'options.algorithm') throw error;
    for (const algorithm of algorithms) {
      try {
        return decodeLearner(bytes, path, { ...options, algorithm });
      } catch (other) {
        if (!(other instanceof InnerloopError) || other.field !== 'options.algorithm') throw other;
      }
    }
    throw error;
  }
}
