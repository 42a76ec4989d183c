import type { OptionTable, Resolved } from '../foundation/options.js';
import type { Algorithm, Extension } from '../meta/algorithm.js';
import { units } from '../meta/algorithm-options.js';
import { graphAlgorithm, graphExtension, headOf } from '../meta/graphs/extension.js';
import { decode, labelledRows } from '../meta/graphs/network.js';
import type { TaskGraph, Node } from '../meta/graphs/graph.js';
import { lossesWhere } from '../model/losses.js';
import type { Model } from '../model/model.js';

const OPTIONS = {
  latent: units(16, 'Width of a row’s encoding, of the latent variable z and of the task identity o.'),
  hidden: units(32, 'Hidden units of the two encoders.'),
  pool: units(8, 'Rows of the global pool A.'),
  klWeight: {
    kind: 'number',
    min: 0,
    default: 0.01,
    doc: 'Weight of the KL divergence beside the mean loss of a query row.',
  },
} as const satisfies OptionTable;

/** σ = 0.1 + 0.9 sigmoid(s), as in neural processes: a deviation that vanishes would make the divergence explode. */
const LEAST_DEVIATION = 0.1;

/**
 * Task-adaptive neural process (Lin et al. 2021). A user is a random function: an encoder turns labelled rows into a Gaussian over
 * z, and the decoder, the model's own perceptron, is conditioned on z and modulated by the task's identity o.
 *
 *     r_i = h([x_i, y_i]),  q(z | S) = N(μ(r̄), σ²(r̄)), r̄ the mean over rows                         (equations 3–5)
 *     o   = mean of m([x_i, y_i]) over the support rows
 *     c_j ∝ (1 + ‖o − A_j‖²)^(−1) over the rows of the global pool A; o ← o + Σ_j c_j A_j            (Student's t, 8–9)
 *     layer l:  z_l = W_l x + b_l (+ U z in the first);  x ← f((1 + γ_l) ∘ z_l + β_l),
 *               γ_l = tanh(G_l o), β_l = tanh(B_l o)                                                (FiLM, 10–11)
 *     loss: L_Q + klWeight · KL(q(z | S ∪ Q) ‖ q(z | S)),  z drawn from q(z | S ∪ Q) in training, z = μ(S) in use
 *
 * Apart from the paper: encoders read y_i x_i too, 1 + γ stands for γ, so that o = 0 leaves the decoder alone, and no clustering loss on
 * the c_j, which needs those of all other tasks. Without support rows r̄ = o = 0, which is also the prediction before adaptation.
 *
 * Adds `tanp.encoder.*`, `tanp.latent.*`, `tanp.identity.*`, `tanp.pool`, `tanp.injection.weight` (U), `tanp.scale.*`, `tanp.shift.*`.
 *
 * @throws {InnerloopError} INVALID_OPTION for a body other than mlp; UNKNOWN_OPTION
 */
export const tanp = graphAlgorithm('tanp', OPTIONS, extend);

interface Gaussian {
  mean: Node;
  deviation: Node;
}

function extend(this: Algorithm, model: Model): Extension {
  const head = headOf(
    model,
    'tanp',
    lossesWhere(({ isEmbedding }) => !isEmbedding),
  );
  const { latent, hidden, pool, klWeight } = this.options as Resolved<typeof OPTIONS>;

  return graphExtension(
    model,
    (p) => {
      const encode = (part: 'support' | 'query') =>
        p.perceptron('tanp.encoder', labelledRows(p, part, p.inputs(part, 'tanp'), head), hidden, latent);
      const gaussian = (encoding: Node): Gaussian => {
        const both = p.linear('tanp.latent', encoding, 2 * latent);
        const deviation = p.affine(
          p.activate(p.columns(both, latent, latent), 'sigmoid'),
          1 - LEAST_DEVIATION,
          LEAST_DEVIATION,
        );
        return { mean: p.columns(both, 0, latent), deviation };
      };
      const prior = gaussian(p.meanRows(encode('support')));
      let z = prior.mean;
      if (p.training) {
        const rows = p.add(p.count('support'), p.count('query'));
        const posterior = gaussian(
          p.multiply(p.add(p.sumRows(encode('support')), p.sumRows(encode('query'))), p.reciprocal(rows)),
        );
        z = p.add(posterior.mean, p.multiply(posterior.deviation, p.noise(latent)));
        p.auxiliary(divergence(p, posterior, prior, latent), klWeight);
      }

      const own = p.meanRows(
        p.perceptron('tanp.identity', labelledRows(p, 'support', p.inputs('support', 'tanp'), head), hidden, latent),
      );
      const shared = p.parameter('tanp.pool', pool, latent, { kind: 'normal', deviation: 1 });
      // (1 + d²)^(−1), normalised, is a softmax of −log(1 + d²).
      const assignment = p.softmax(p.affine(p.log(p.affine(p.distance(own, shared), -1, 1)), -1, 0));
      const identity = p.add(own, p.product('nn', assignment, shared));

      const output = decode(p, 'tanp', (layer, linear, isLast) => {
        const width = linear.columns as number;
        const injected = layer === 0 ? p.add(linear, p.linear('tanp.injection', z, width, { bias: false })) : linear;
        if (isLast) return injected;
        const [scale, shift] = (['scale', 'shift'] as const).map((name) =>
          p.activate(p.linear(`tanp.${name}.${layer}`, identity, width), 'tanh'),
        ) as [Node, Node];
        return p.add(p.multiply(injected, p.affine(scale, 1, 1)), shift);
      });
      p.output(output);
    },
    true,
  );
}

/** KL(a ‖ b) = Σ log(σ_b / σ_a) + (σ_a² + (μ_a − μ_b)²) / (2 σ_b²) − ½ of n diagonal entries [1, 1]. */
function divergence(p: TaskGraph, a: Gaussian, b: Gaussian, n: number): Node {
  const difference = p.subtract(a.mean, b.mean);
  const squares = p.add(p.multiply(a.deviation, a.deviation), p.multiply(difference, difference));
  const ratio = p.multiply(squares, p.reciprocal(p.multiply(b.deviation, b.deviation)));
  const logs = p.subtract(p.log(b.deviation), p.log(a.deviation));
  return p.affine(p.sumColumns(p.add(logs, p.affine(ratio, 0.5, 0))), 1, -n / 2);
}
