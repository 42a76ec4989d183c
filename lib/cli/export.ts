/** `innerloop export`: a saved model as an ONNX file, shared or adapted to a few ratings. */
import { InnerloopError } from '../foundation/errors.js';
import { Learner } from '../learner/learner.js';
import { exportOnnx } from '../serving/onnx.js';
import { readContext } from './context.js';
import type { Console } from './output.js';
import { openSaved, supportOf } from './recommend.js';

export async function exportFromFile(run: {
  model: string;
  output: string;
  /** `item=rating`; none: the shared model. */
  ratings: string[];
  title?: string;
  /** `name=value`, or `default`. */
  context?: string[];
  console: Console;
  signal: AbortSignal;
}): Promise<void> {
  const { model, output, ratings: texts, console, signal } = run;
  const { learner, ratings } = await openSaved(model, texts, run.title);
  if (!(learner instanceof Learner))
    throw new InnerloopError('UNSUPPORTED', 'is an ensemble', {
      field: model,
      expected: 'the file of one of its members',
    });
  if (ratings.length === 0) {
    await exportOnnx(learner, output, { signal });
    console.result(
      `The shared model as ${output}: its inputs are ids of the model's vocabularies, its output is \`outputs\`.`,
    );
    console.json({ output, adapted: false });
    return;
  }
  const context = readContext(run.context, learner);
  const me = await learner.adapt(supportOf(ratings, context), { signal });
  await exportOnnx(me, output, { signal, ...(context && { context }) });
  console.result(
    `A model adapted to ${ratings.length} ratings as ${output}: \`item\` takes numbers of items (places in its metadata \`items\`), \`scores\` is what it predicts.`,
  );
  console.json({ output, adapted: true, ratings });
}
