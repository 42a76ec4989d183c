/** The packed package under other package managers, versions of Node, test runners and bundlers. */
export default { command: ['node', 'test/package/smoke.mjs', '--matrix'], minutes: 20 };
