/** The suites of the device plugin by emulation: many more random models, and the plugin under sanitizers. */
export default {
  command: ['env', 'INNERLOOP_TEST_ALL=1', 'TAP_TIMEOUT=0', 'node', 'test/run.mjs', 'cuda/'],
  minutes: 10,
  needs: { cmake: 'cmake' },
};
