/** Training on several processes by a real mpirun: equality, kill, silence, resume. */
export default {
  command: ['env', 'INNERLOOP_TEST_ALL=1', 'node', 'test/run.mjs', 'distributed/'],
  minutes: 15,
  needs: { mpirun: 'openmpi-bin', mpicxx: 'libopenmpi-dev' },
};
