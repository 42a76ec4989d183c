/**
 * Loaded before a test file under a sanitizer. The runtime of a sanitizer is preloaded for Node; other programs that a test starts go
 * without it: some end in a deadlock under AddressSanitizer (psql, in the library p11-kit), and compilers take several times as long.
 */
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';

const without = (options = {}) => ({ ...options, env: { ...(options.env ?? process.env), LD_PRELOAD: '' } });

for (const name of ['spawn', 'spawnSync', 'execFile', 'execFileSync']) {
  const start = childProcess[name];
  childProcess[name] = (command, ...rest) => {
    if (command === process.execPath) return start(command, ...rest);
    const args = Array.isArray(rest[0]) ? rest.shift() : [];
    const options = typeof rest[0] === 'object' ? rest.shift() : undefined;
    return start(command, args, without(options), ...rest);
  };
}
syncBuiltinESMExports();
