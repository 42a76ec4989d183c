/** Parts that metric learners share. E: embeddings of the support rows [S, w], Q of the query rows [Q, w], Y: one-hot labels [S, C]. */
import type { TaskGraph, Node } from './graph.js';
import { TINY } from './graph.js';

/** Added to probabilities before their logarithm. */
export const EPSILON = 1e-12;

/** a_qs = softmax_s(τ cos(e_q, e_s)) [Q, S]; τ = 1 where none is given. */
export function attention(graph: TaskGraph, query: Node, support: Node, temperature?: Node): Node {
  const cosine = graph.cosine(query, support);
  return graph.softmax(temperature === undefined ? cosine : graph.multiply(cosine, temperature));
}

/** p(c | q) = Σ_{s of class c} a_qs [Q, C]. */
export function classLikelihood(graph: TaskGraph, weights: Node, labels: Node): Node {
  return graph.product('nn', weights, labels);
}

/** Rows of each class [C, 1]. */
export function classCounts(graph: TaskGraph, labels: Node): Node {
  return graph.product('tn', labels, graph.constant(1, 'support', 1));
}

/** Class means [C, w], 0 for a class without rows, and what keeps such a class out of a softmax [1, C]: log(ε), else 0. */
export function prototypes(graph: TaskGraph, support: Node, labels: Node): { centres: Node; absence: Node } {
  const counts = classCounts(graph, labels);
  const present = graph.multiply(counts, graph.reciprocal(graph.affine(counts, 1, TINY)));
  return {
    centres: classMeans(graph, support, labels),
    absence: graph.product('nt', graph.constant(1), graph.log(present, EPSILON)),
  };
}

/** Class means [C, w], 0 for a class without rows. */
export function classMeans(graph: TaskGraph, values: Node, labels: Node): Node {
  const inverse = graph.reciprocal(graph.affine(classCounts(graph, labels), 1, TINY));
  return graph.multiply(graph.product('tn', labels, values), inverse);
}

/** Class means shrunk to a prior worth κ rows [C, w]: (Σ + κ prior) / (n + κ). */
export function shrunkMeans(graph: TaskGraph, values: Node, labels: Node, prior: Node, kappa: Node): Node {
  const counts = graph.add(classCounts(graph, labels), kappa);
  return graph.multiply(
    graph.add(graph.product('tn', labels, values), graph.multiply(prior, kappa)),
    graph.reciprocal(counts),
  );
}

/** n / (n + κ) of the support rows [1, 1]. */
export function trust(graph: TaskGraph, kappa: Node): Node {
  const n = graph.count('support');
  return graph.multiply(n, graph.reciprocal(graph.add(n, kappa)));
}

/** Log-odds of a probability [Q, 1] that may be 0 or 1. */
export function logOdds(graph: TaskGraph, p: Node): Node {
  return graph.subtract(graph.log(p, EPSILON), graph.log(graph.affine(p, -1, 1), EPSILON));
}
