/** `innerloop demo sinusoid`: the sinusoid regression of the MAML paper, as a table. */
import { sinusoid, TEST_STEPS } from '../examples/sinusoid.js';
import type { SinusoidOptions } from '../examples/sinusoid.js';
import type { Console } from './output.js';

export async function demoSinusoid({ console, ...options }: SinusoidOptions & { console: Console }): Promise<void> {
  const started = performance.now();
  console.note(
    'y = A sin(x − φ): meta-training 1 → 40 → 40 → 1 for one step on 5 and on 10 points, beside one network trained on all curves.',
  );
  const isTerminal = process.stderr.isTTY === true;
  let shown = -1;
  const onProgress = (progress: number) => {
    const percent = Math.floor(progress * 100);
    if (isTerminal && percent > shown) process.stderr.write(`\r\u001b[K${(shown = percent)} %`);
  };
  const results = await sinusoid({ ...options, onProgress });
  if (isTerminal) process.stderr.write('\r\u001b[K');
  console.result(
    ['Mean squared error after gradient steps at test time, with 95 % bootstrap intervals over tasks', ''].join('\n'),
  );
  console.result(line(['', ...TEST_STEPS.map((steps) => `${steps} ${steps === 1 ? 'step' : 'steps'}`)]));
  for (const { method, shots, learningRate, errors } of results) {
    const cells = errors.map(
      ({ mse: { mean, low, high } }) => `${mean.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`,
    );
    console.result(line([`${method}, ${shots}-shot, rate ${learningRate}`, ...cells]));
  }
  console.note(`${((performance.now() - started) / 1000).toFixed(1)} s`);
  console.json({ event: 'result', results });
}

const line = ([name, ...cells]: string[]) =>
  `${name.padEnd(32)}${cells.map((cell) => cell.padStart(23)).join('')}`.trimEnd();
