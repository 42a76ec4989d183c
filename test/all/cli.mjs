/** `innerloop init`, then `train`, on every file of ratings, and `innerloop scenario` on the larger of them. */
export default {
  command: ['env', 'INNERLOOP_TEST_ALL=1', 'TAP_TIMEOUT=0', 'node', 'test/run.mjs', 'cli/init.', 'cli/scenario.'],
  minutes: 15,
};
