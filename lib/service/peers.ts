/** Packages that only the service needs. The library does not depend on them; an error says how to install a missing one. */
import { InnerloopError } from '../foundation/errors.js';

/** The packages with their purposes and the commands that install them, which name the major versions that were tested. */
export const PEERS = {
  fastify: { install: 'npm install fastify@5', purpose: 'the HTTP service' },
  pg: { install: 'npm install pg@8', purpose: 'state in PostgreSQL' },
  'better-sqlite3': {
    install: 'npm install better-sqlite3@12',
    purpose: 'state in SQLite on Node.js before 22.13, which has no node:sqlite',
  },
} as const;

/** The error for a package that could not be loaded. */
export function missingPeer(name: keyof typeof PEERS, cause: unknown): InnerloopError {
  const { install, purpose } = PEERS[name];
  const reason = cause instanceof Error ? ` (${cause.message.split('\n')[0]})` : '';
  return new InnerloopError('UNSUPPORTED', `the package ${name} is needed for ${purpose}, and did not load${reason}`, {
    field: name,
    expected: install,
    cause,
  });
}
