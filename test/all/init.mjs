/** `innerloop init`, then `train`, on the largest of the files too. */
export default {
  command: ['env', 'INNERLOOP_TEST_ALL=1', 'TAP_TIMEOUT=0', 'node', 'test/run.mjs', 'cli/init.'],
  minutes: 10,
};
