/** What is measured, as data: cases × contenders. */

/** The meta-learning problem of a case; every contender computes the same numbers from the same bytes. */
export interface Problem {
  tasks: number;
  support: number;
  query: number;
  inputs: number;
  hidden: number[];
  seed: number;
}

export interface Case {
  name: string;
  problem: Problem;
  /** Inner steps K. */
  steps: number;
  order: 1 | 2;
  learningRate: number;
}

export interface Contender {
  name: string;
  /** `ours` runs compiled TypeScript, `node` a module beside bench/node_modules, `python` a script. */
  runtime: 'ours' | 'node' | 'python';
  /** File in bench/trials, without the extension. */
  trial: string;
  /** Modules that must be importable; a contender without them is skipped by name. */
  needs: string[];
  /** Thread counts to try; the better one is reported. */
  threads: number[];
  /** Passed on to the trial. */
  variant?: string;
  /** For ours: the instruction set to force. Skipped where the machine lacks it. */
  isa?: string;
}

/** relu, mean squared error, float32. */
const PROBLEM: Problem = { tasks: 32, support: 20, query: 10, inputs: 256, hidden: [64, 64], seed: 1 };

export const CASES: Case[] = [
  { name: 'second-k1', problem: PROBLEM, steps: 1, order: 2, learningRate: 0.01 },
  { name: 'second-k5', problem: PROBLEM, steps: 5, order: 2, learningRate: 0.01 },
  { name: 'first-k1', problem: PROBLEM, steps: 1, order: 1, learningRate: 0.01 },
  { name: 'first-k5', problem: PROBLEM, steps: 5, order: 1, learningRate: 0.01 },
];

export const CONTENDERS: Contender[] = [
  ...['avx512', 'avx2', 'neon', 'reference'].map((isa): Contender => ({
    name: `innerloop-${isa}`,
    runtime: 'ours',
    trial: 'innerloop',
    needs: [],
    threads: [1, 2],
    variant: 'native',
    isa,
  })),
  { name: 'innerloop-api', runtime: 'ours', trial: 'innerloop', needs: [], threads: [1, 2], variant: 'api' },
  // One thread each: neither library has native threads in Node.js.
  { name: 'tfjs-cpu', runtime: 'node', trial: 'tfjs', needs: ['@tensorflow/tfjs'], threads: [1], variant: 'cpu' },
  {
    name: 'tfjs-wasm',
    runtime: 'node',
    trial: 'tfjs',
    needs: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm'],
    threads: [1],
    variant: 'wasm',
  },
  { name: 'jax-js', runtime: 'node', trial: 'jax-js', needs: ['@jax-js/jax'], threads: [1], variant: 'wasm' },
  { name: 'torch-loop', runtime: 'python', trial: 'torch_loop', needs: ['torch'], threads: [1, 2] },
  { name: 'torch-batched', runtime: 'python', trial: 'torch_batched', needs: ['torch'], threads: [1, 2] },
  {
    name: 'torch-vmap',
    runtime: 'python',
    trial: 'torch_vmap',
    needs: ['torch', 'torch.func|functorch'],
    threads: [1, 2],
  },
  { name: 'higher', runtime: 'python', trial: 'higher_maml', needs: ['torch', 'higher'], threads: [1, 2] },
  {
    name: 'learn2learn',
    runtime: 'python',
    trial: 'learn2learn_maml',
    needs: ['torch', 'learn2learn'],
    threads: [1, 2],
  },
  { name: 'jax', runtime: 'python', trial: 'jax_vmap', needs: ['jax', 'jaxlib'], threads: [1, 2] },
];

/** Measurements of our own, each in fresh processes. */
export const MEASUREMENTS = ['kernel', 'forms', 'models', 'serving', 'ml-1m'] as const;

/** Support rows and inner steps of `forms`. */
export const FORM_SUPPORTS = [5, 20, 60];
export const FORM_STEPS = [1, 5, 10];

/** Relative difference from our float64 result that a contender may have. */
export const TOLERANCE = 1e-3;

/** What the project wants to reach; printed beside what was measured. */
export const TARGETS = {
  ratioK1: 10,
  ratioK5: 25,
  peak: 0.6,
  secondOverFirstK1: 1.5,
  secondOverFirstK5: 2,
  scaling: 1.85,
  adaptP50: 100e-6,
  adaptP99: 300e-6,
  scoring: 1e-3,
  wholeRun: 60,
  wholeRunMemory: 500e6,
} as const;
