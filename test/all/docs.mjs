/** Pages and reference as a site, and every page of it in a browser: nothing broken, nothing wider than its window, text that can be read. */
export default { command: ['npm', 'run', 'docs:screenshots'], minutes: 10, needs: { chromium: 'chromium' } };
