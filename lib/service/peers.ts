/** Packages that only the service needs: none of them is a dependency of the library, and a missing one is named with its command. */
import { InnerloopError } from '../foundation/errors.js';

/** What is installed for each. The command line names the versions that were tested. */
export const PEERS = {
  fastify: { install: 'npm install fastify@5', purpose: 'the HTTP service' },
  pg: { install: 'npm install pg@8', purpose: 'state in PostgreSQL' },
  'better-sqlite3': {
    install: 'npm install better-sqlite3@12',
    purpose: 'state in SQLite on Node.js before 22.13, which has no node:sqlite',
  },
} as const;

export function missingPeer(name: keyof typeof PEERS, cause: unknown): InnerloopError {
  const { install, purpose } = PEERS[name];
  const reason = cause instanceof Error ? ` (${cause.message.split('\n')[0]})` : '';
  return new InnerloopError('UNSUPPORTED', `the package ${name} is needed for ${purpose}, and did not load${reason}`, {
    field: name,
    expected: install,
    cause,
  });
}
