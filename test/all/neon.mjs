/** NEON kernels against the reference, under emulation. */
export default {
  command: ['node', 'test/run.mjs', 'native/core'],
  minutes: 5,
  needs: { 'aarch64-linux-gnu-g++': 'g++-aarch64-linux-gnu', 'qemu-aarch64': 'qemu-user' },
};
