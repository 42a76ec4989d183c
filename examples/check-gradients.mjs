// Check the exact second-order meta-gradient by finite differences, one parameter at a time:
//   node examples/check-gradients.mjs
import { defineModel, metaGradient, packTasks } from 'innerloop';

const inputs = [{ name: 'x', kind: 'dense', size: 2 }];
const spec = { inputs, body: { kind: 'mlp', hidden: [3], activation: 'tanh' }, head: { loss: 'mse' } };
const model = defineModel(spec, { precision: 'float64' });
const parameters = model.initialize(1);
const rows = { inputs: { x: [[0.1, 0.7]] }, labels: [1] };
const batch = packTasks(model, [{ support: rows, query: { inputs: { x: [[0.5, -0.3]] }, labels: [0.4] } }]);
const loss = (at) => metaGradient(model, at, batch, { steps: 5, learningRate: 0.1, adapt: 'all', order: 2 });
const { gradient } = await loss(parameters);
const { data } = parameters['mlp.0.weight'];
for (let i = 0; i < data.length; i++) {
  const [w, losses] = [data[i], []];
  for (data[i] of [w + 1e-5, w - 1e-5]) losses.push((await loss(parameters)).loss);
  data[i] = w;
  console.log(gradient['mlp.0.weight'].data[i].toFixed(9), ((losses[0] - losses[1]) / 2e-5).toFixed(9));
}
