/** The suite under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer, and memory over many trainings. */
export default { command: ['node', 'dist/test/sanitize/run.js'], minutes: 45 };
