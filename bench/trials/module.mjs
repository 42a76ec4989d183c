/** What the trials of Node.js peers share: the request, the arrays, the protocol (bench/protocol.ts, compiled). */
import { pathToFileURL } from 'node:url';

/** Folder of the compiled benchmark, from the runner. */
const compiled = process.env.INNERLOOP_BENCH;
const load = (name) => import(pathToFileURL(`${compiled}/${name}.js`).href);
const [{ readProblem, shapesOf }, { fingerprint, measure }] = await Promise.all([load('problem'), load('protocol')]);

export function entry() {
  const request = JSON.parse(process.argv[2]);
  return { request, arrays: { ...readProblem(request.data, request.problem), shapes: shapesOf(request.problem) } };
}

/** @param check gives { loss, gradient }; @param call is what is timed */
export async function runModule(request, check, call) {
  const { loss, gradient } = await check();
  console.log(JSON.stringify(fingerprint(loss, gradient)));
  if (request.seconds > 0) console.log(JSON.stringify(await measure(request.seconds, call)));
}
