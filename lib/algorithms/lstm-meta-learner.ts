import { codes } from '../foundation/addon.js';
import type { NameOf } from '../foundation/addon.js';
import type { OptionTable, Resolved } from '../foundation/options.js';
import { algorithmFactory, gradientForm, SECOND_ORDER } from '../meta/algorithm.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { gradientOptionsWithout, units } from '../meta/algorithm-options.js';
import type { ExtraTensor, Model } from '../model/model.js';

const OPTIONS = {
  ...gradientOptionsWithout('rates', 'inner', 'proximal'),
  hidden: units(20, 'Hidden units of the first LSTM.', 1024),
} as const satisfies OptionTable;

/** The forget gate begins near 1 and the input gate at the learning rate: gradient descent (section 3.4 of the paper). */
const FORGET_BIAS = 5;
const WEIGHT_BOUND = 0.01;

/**
 * The LSTM meta-learner (Ravi & Larochelle 2017). The inner optimizer is an LSTM whose cell state is the parameters:
 * θ_t = f_t ∘ θ_{t−1} − i_t ∘ ∇L_S(θ_{t−1}), with gates
 *
 *     f_t = σ(w_f · [h_t, θ_{t−1}, f_{t−1}] + b_f),   i_t = σ(w_i · [h_t, θ_{t−1}, i_{t−1}] + b_i)
 *
 * on the outputs h_t of a plain LSTM that reads the gradient and the loss, each as two numbers (log of the size, and sign). All
 * coordinates share these weights; every coordinate has a state of its own. The weights and θ_0 are meta-learned with the inner
 * gradients held constant, as in the paper. `learningRate` is the initial input gate. The cost is hidden² for every adapted
 * parameter and step: adapt the network, not the embeddings (`adapt: ['mlp.*']`), where that is too much. A task without support
 * rows keeps θ_0.
 *
 * Adds `lstm.weight_ih` [4 hidden, 4], `lstm.weight_hh` [4 hidden, hidden], `lstm.bias` (rows of the gates i, f, g, o),
 * `lstm.forget.weight` and `lstm.input.weight` [hidden + 2], `lstm.forget.bias` and `lstm.input.bias` [1].
 */
export const lstmMetaLearner = algorithmFactory('lstmMetaLearner', OPTIONS, ({ hidden: _, ...options }) => ({
  ...gradientForm(options, 'lstmMetaLearner'),
  ...SECOND_ORDER,
  solver: 'lstm',
  extend,
}));

function extend(this: Algorithm, _model: Model): Extension {
  const { hidden } = this.options as Resolved<typeof OPTIONS>;
  // σ⁻¹ of the rate.
  const inputBias = Math.log(this.learningRate) - Math.log1p(-Math.min(this.learningRate, 1 - 1e-6));
  const weight = { kind: 'uniform', bound: WEIGHT_BOUND } as const;
  const constant = (value: number) => ({ kind: 'constant', value }) as const;
  const tensors = {
    weightIh: {
      name: 'lstm.weight_ih',
      shape: [4 * hidden, 4],
      initial: { kind: 'uniform', bound: 1 / Math.sqrt(hidden) },
    },
    weightHh: {
      name: 'lstm.weight_hh',
      shape: [4 * hidden, hidden],
      initial: { kind: 'uniform', bound: 1 / Math.sqrt(hidden) },
    },
    bias: { name: 'lstm.bias', shape: [4 * hidden], initial: constant(0) },
    forgetWeight: { name: 'lstm.forget.weight', shape: [hidden + 2], initial: weight },
    forgetBias: { name: 'lstm.forget.bias', shape: [1], initial: constant(FORGET_BIAS) },
    inputWeight: { name: 'lstm.input.weight', shape: [hidden + 2], initial: weight },
    inputBias: { name: 'lstm.input.bias', shape: [1], initial: constant(inputBias) },
  } as const satisfies Record<NameOf<'LstmTensor'>, ExtraTensor>;
  return {
    tensors: Object.values(tensors),
    native: (_, tensor) => {
      const lstmTensors: number[] = [];
      for (const [name, number] of Object.entries(codes('LstmTensor')))
        lstmTensors[number] = tensor(tensors[name as NameOf<'LstmTensor'>].name);
      return { lstmTensors };
    },
  };
}
