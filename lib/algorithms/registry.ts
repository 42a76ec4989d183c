/** Every algorithm by name: one file each. The contract suite runs over this list. */
import type { Algorithm } from '../meta/algorithm.js';
import type { OptionTable } from '../foundation/options.js';
import { anil } from './anil.js';
import { fineTune } from './fine-tune.js';
import { fomaml } from './fomaml.js';
import { maml } from './maml.js';
import { imaml } from './imaml.js';
import { joint } from './joint.js';
import { laplace } from './laplace.js';
import { lstmMetaLearner } from './lstm-meta-learner.js';
import { mamlPlusPlus } from './maml-plus-plus.js';
import { melu } from './melu.js';
import { metaSgd } from './meta-sgd.js';
import { reptile } from './reptile.js';
import { ridge } from './ridge.js';
import { lwa } from './lwa.js';
import { mamo } from './mamo.js';
import { matchingNets } from './matching-nets.js';
import { metaEmb } from './meta-emb.js';
import { mwuf } from './mwuf.js';
import { nlba } from './nlba.js';
import { protoNets } from './proto-nets.js';
import { tanp } from './tanp.js';

export {
  anil,
  fineTune,
  fomaml,
  imaml,
  joint,
  laplace,
  lstmMetaLearner,
  maml,
  mamlPlusPlus,
  melu,
  metaSgd,
  reptile,
  ridge,
  lwa,
  mamo,
  matchingNets,
  metaEmb,
  mwuf,
  nlba,
  protoNets,
  tanp,
};
export type {
  ImamlOptions,
  LaplaceOptions,
  LstmMetaLearnerOptions,
  MamlPlusPlusOptions,
  MamlOptions,
  MeluOptions,
  RidgeOptions,
  LwaOptions,
  MamoOptions,
  MetaEmbOptions,
  MwufOptions,
  NlbaOptions,
  ProtoNetsOptions,
  TanpOptions,
} from '../meta/algorithm-option-types.js';

/** All algorithms by the names of their factories. */
export const ALGORITHMS = {
  maml,
  fomaml,
  anil,
  reptile,
  ridge,
  metaSgd,
  mamlPlusPlus,
  imaml,
  melu,
  laplace,
  lstmMetaLearner,
  lwa,
  mamo,
  matchingNets,
  metaEmb,
  mwuf,
  nlba,
  protoNets,
  tanp,
  joint,
  fineTune,
} as const satisfies Record<string, ((options?: never) => Algorithm) & { readonly options: OptionTable }>;
/** Name of an algorithm of the library. */
export type AlgorithmName = keyof typeof ALGORITHMS;
