// A Fastify app that adapts a model inside the request (npm install fastify):
//   node examples/fastify-app.mjs model.safetensors [port]
//   curl -H 'content-type: application/json' -d '{"items":["1","296"],"labels":[5,2]}' localhost:8080/recommend
import Fastify from 'fastify';
import { InnerloopError, loadLearner } from 'innerloop';

const learner = await loadLearner(process.argv[2]);
const app = Fastify({ bodyLimit: 2 ** 16 });
const properties = {
  items: { type: 'array', maxItems: 200, items: { type: 'string' } },
  labels: { type: 'array', maxItems: 200, items: { type: 'number' } },
  count: { type: 'integer', minimum: 1, maximum: 100 },
};
const body = { type: 'object', properties, required: ['items', 'labels'], additionalProperties: false };
app.post('/recommend', { schema: { body } }, async ({ body: { count = 10, items, labels } }) => {
  const me = await learner.adapt({ items, labels });
  return { unknown: me.unknown.items, items: await me.recommend({ count }) };
});
app.setErrorHandler((error, request, reply) => {
  const status = error instanceof InnerloopError ? (error.code === 'BUSY' ? 429 : 400) : (error.statusCode ?? 500);
  return reply.code(status).send({ error: status < 500 ? error.message : 'failed' });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => app.close());
console.log(await app.listen({ port: Number(process.argv[3] ?? 8080) }));
