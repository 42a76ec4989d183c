/** jax-js: jit of the gradient of the mean over tasks of a vmapped inner loop. Every argument is consumed unless `.ref`. */
import { entry, runModule } from './module.mjs';

const { request, arrays } = entry();
const { init, defaultDevice, grad, jit, lax, nn, numpy: np, valueAndGrad, vmap } = await import('@jax-js/jax');
// Without a name, init() looks for WebGPU and throws in Node.js.
await init(request.variant);
defaultDevice(request.variant);

const { problem, steps, order, learningRate } = request;
const { tasks, support, query, inputs } = problem;
const parameters = arrays.parameters.map((data, t) => np.array(data).reshape(arrays.shapes[t]));
const data = [
  np.array(arrays.supportX).reshape([tasks, support, inputs]),
  np.array(arrays.supportY).reshape([tasks, support, 1]),
  np.array(arrays.queryX).reshape([tasks, query, inputs]),
  np.array(arrays.queryY).reshape([tasks, query, 1]),
];

function lossOf(theta, x, y) {
  let h = x;
  for (let l = 0; l < theta.length; l += 2) {
    h = np.matmul(h, np.transpose(theta[l])).add(theta[l + 1]);
    if (l + 2 < theta.length) h = nn.relu(h);
  }
  return np.mean(np.square(h.sub(y)));
}

function taskLoss(theta, sx, sy, qx, qy) {
  for (let k = 0; k < steps; k++) {
    const gradient = grad(lossOf)(
      theta.map((p) => p.ref),
      sx.ref,
      sy.ref,
    );
    theta = theta.map((p, t) => p.sub((order === 2 ? gradient[t] : lax.stopGradient(gradient[t])).mul(learningRate)));
  }
  sx.dispose();
  sy.dispose();
  return lossOf(theta, qx, qy);
}

const none = parameters.map(() => null);
const meanLoss = (theta, ...batch) => np.mean(vmap(taskLoss, [none, 0, 0, 0, 0])(theta, ...batch));
const metaGradient = jit((theta, ...batch) => valueAndGrad(meanLoss)(theta, ...batch));

async function read() {
  const [loss, gradient] = metaGradient(
    parameters.map((p) => p.ref),
    ...data.map((d) => d.ref),
  );
  return { loss: (await loss.data())[0], gradient: await Promise.all(gradient.map((g) => g.data())) };
}

await runModule(request, read, read);
