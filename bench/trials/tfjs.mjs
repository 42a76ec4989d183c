/** TensorFlow.js: gradient of the gradient by tape over tape, one task after another (it has no vmap). */
import { entry, runModule } from './module.mjs';

const { request, arrays } = entry();
const tf = await import('@tensorflow/tfjs');
if (request.variant === 'wasm') await import('@tensorflow/tfjs-backend-wasm');
await tf.setBackend(request.variant);
await tf.ready();

const { problem, steps, order, learningRate } = request;
const { tasks, support, query, inputs } = problem;
const parameters = arrays.parameters.map((data, t) => tf.tensor(data, arrays.shapes[t], 'float32'));
const slice = (data, count, width, task) =>
  tf.tensor2d(data.subarray(task * count * width, (task + 1) * count * width), [count, width]);
const batch = Array.from({ length: tasks }, (_, t) => ({
  sx: slice(arrays.supportX, support, inputs, t),
  sy: slice(arrays.supportY, support, 1, t),
  qx: slice(arrays.queryX, query, inputs, t),
  qy: slice(arrays.queryY, query, 1, t),
}));

function lossOf(theta, x, y) {
  let h = x;
  for (let l = 0; l < theta.length; l += 2) {
    h = tf.add(tf.matMul(h, theta[l], false, true), theta[l + 1]);
    if (l + 2 < theta.length) h = tf.relu(h);
  }
  return tf.mean(tf.square(tf.sub(h, y)));
}

function adapt(theta, { sx, sy }) {
  for (let k = 0; k < steps; k++) {
    const gradient = tf.grads((...p) => lossOf(p, sx, sy))(theta);
    theta = theta.map((p, t) => tf.sub(p, tf.mul(gradient[t], learningRate)));
  }
  return theta;
}

/** Loss and gradient summed over the tasks, then divided. */
function metaGradient() {
  return tf.tidy(() => {
    let total;
    for (const task of batch) {
      const { value, grads } =
        order === 2
          ? tf.valueAndGrads((...p) => lossOf(adapt(p, task), task.qx, task.qy))(parameters)
          : tf.valueAndGrads((...p) => lossOf(p, task.qx, task.qy))(adapt(parameters, task));
      const mine = [value, ...grads];
      total = total === undefined ? mine : total.map((sum, i) => tf.add(sum, mine[i]));
    }
    return total.map((sum) => tf.div(sum, tasks));
  });
}

async function read() {
  const result = metaGradient();
  const data = await Promise.all(result.map((t) => t.data()));
  result.forEach((t) => t.dispose());
  return data;
}

await runModule(
  request,
  async () => {
    const [loss, ...gradient] = await read();
    return { loss: loss[0], gradient };
  },
  read,
);
