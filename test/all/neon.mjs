/** NEON kernels against the reference, under emulation. */
export default {
  command: ['env', 'INNERLOOP_TEST_ALL=1', 'node', 'test/run.mjs', 'native/core'],
  minutes: 5,
  needs: { 'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu', 'qemu-aarch64': 'qemu-user' },
};
