/** `npm start` on a fresh clone. */
export default { command: ['node', 'test/fresh-start.mjs'], minutes: 6, needs: { cmake: 'cmake' } };
