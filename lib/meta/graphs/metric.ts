/** What metric learners share. E: embeddings of the support rows [S, w], Q of the query rows [Q, w], Y: one-hot labels [S, C]. */
import type { TaskGraph, Node } from './graph.js';
import { TINY } from './graph.js';

/** Added to probabilities before their logarithm. */
export const EPSILON = 1e-12;

/** a_qs = softmax_s(τ cos(e_q, e_s)) [Q, S]; τ = 1 where none is given. */
export function attention(program: TaskGraph, query: Node, support: Node, temperature?: Node): Node {
  const cosine = program.cosine(query, support);
  return program.softmax(temperature === undefined ? cosine : program.multiply(cosine, temperature));
}

/** p(c | q) = Σ_{s of class c} a_qs [Q, C]. */
export function classLikelihood(program: TaskGraph, weights: Node, labels: Node): Node {
  return program.product('nn', weights, labels);
}

/** Rows of each class [C, 1]. */
export function classCounts(program: TaskGraph, labels: Node): Node {
  return program.product('tn', labels, program.constant(1, 'support', 1));
}

/** Class means [C, w], 0 for a class without rows, and what keeps such a class out of a softmax [1, C]: log(ε), else 0. */
export function prototypes(program: TaskGraph, support: Node, labels: Node): { centres: Node; absence: Node } {
  const counts = classCounts(program, labels);
  const present = program.multiply(counts, program.reciprocal(program.affine(counts, 1, TINY)));
  return {
    centres: classMeans(program, support, labels),
    absence: program.product('nt', program.constant(1), program.log(present, EPSILON)),
  };
}

/** Class means [C, w], 0 for a class without rows. */
export function classMeans(program: TaskGraph, values: Node, labels: Node): Node {
  const inverse = program.reciprocal(program.affine(classCounts(program, labels), 1, TINY));
  return program.multiply(program.product('tn', labels, values), inverse);
}

/** Class means shrunk to a prior worth κ rows [C, w]: (Σ + κ prior) / (n + κ). */
export function shrunkMeans(program: TaskGraph, values: Node, labels: Node, prior: Node, kappa: Node): Node {
  const counts = program.add(classCounts(program, labels), kappa);
  return program.multiply(
    program.add(program.product('tn', labels, values), program.multiply(prior, kappa)),
    program.reciprocal(counts),
  );
}

/** n / (n + κ) of the support rows [1, 1]. */
export function trust(program: TaskGraph, kappa: Node): Node {
  const n = program.count('support');
  return program.multiply(n, program.reciprocal(program.add(n, kappa)));
}

/** Log-odds of a probability [Q, 1] that may be 0 or 1. */
export function logOdds(program: TaskGraph, p: Node): Node {
  return program.subtract(program.log(p, EPSILON), program.log(program.affine(p, -1, 1), EPSILON));
}
