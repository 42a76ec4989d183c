/** Planted faults, each of which a suite has to notice. */
export default { command: ['node', 'test/mutants/run.mjs'], minutes: 40 };
