/** The device plugin by emulation on many more random models. */
export default {
  command: ['env', 'INNERLOOP_TEST_ALL=1', 'TAP_TIMEOUT=0', 'node', 'dist/test/cuda/equality.test.js'],
  minutes: 10,
  needs: { cmake: 'cmake' },
};
