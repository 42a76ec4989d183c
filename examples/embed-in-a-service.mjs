// An HTTP service that adapts a model to whoever asks, inside the request:
//   node examples/embed-in-a-service.mjs model.safetensors [port]
//   curl -d '{"items":["1","296"],"labels":[5,2]}' localhost:8080
import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { InnerloopError, loadLearner } from 'innerloop';

const learner = await loadLearner(process.argv[2]);
const server = createServer(async (request, response) => {
  try {
    const me = await learner.adapt(await json(request));
    response.end(JSON.stringify(await me.recommend({ count: 10 })));
  } catch (error) {
    const isTheirs = error instanceof InnerloopError || error instanceof SyntaxError;
    response.writeHead(isTheirs ? 400 : 500).end(JSON.stringify({ error: isTheirs ? error.message : 'failed' }));
  }
});
server.listen(Number(process.argv[3] ?? 8080), '127.0.0.1', () => console.log(server.address().port));
