/** Hostile input for a while longer than in every commit, on the addon with AddressSanitizer. */
export default { command: ['node', 'dist/test/fuzz/run.js', '--seconds', '15', '--sanitize'], minutes: 15 };
