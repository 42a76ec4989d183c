/** A service in a process of its own, to be killed: `node victim.js '{ "model": …, "state": … }'` prints its address. */
import { serve } from '../../lib/service/index.js';
import type { ServeOptions } from '../../lib/service/index.js';

const running = await serve({ port: 0, logLevel: 'silent', ...(JSON.parse(process.argv[2]) as ServeOptions) });
process.stdout.write(`${running.url}\n`);
process.on('SIGTERM', () => void running.close().then(() => process.exit(0)));
