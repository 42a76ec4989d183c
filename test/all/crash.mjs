/** Training runs that are killed, starved and disturbed, at full size. */
export default { command: ['node', 'dist/test/crash/run.js'], minutes: 20 };
