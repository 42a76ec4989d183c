/** Import and export as streams of JSON Lines. */
import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { checkOneOf } from '../../foundation/check.js';
import type { Service } from '../service.js';
import type { State } from '../state/state.js';
import { exportLines, importLines, KINDS } from '../state/transfer.js';
import { linesOf } from './lines.js';
import type { Metrics } from './metrics.js';

export function addTransfers(fastify: FastifyInstance, service: Service, state: State, metrics: Metrics): void {
  // The parser for streams is registered in a scope of its own, because only imports accept a stream as body.
  void fastify.register(async (own) => {
    own.removeAllContentTypeParsers();
    own.addContentTypeParser('application/x-ndjson', { bodyLimit: Number.MAX_SAFE_INTEGER }, (_, payload, done) =>
      done(null, payload),
    );
    own.post('/import/:kind', { config: { operation: 'import' } }, async (request, reply) => {
      const { kind } = request.params as { kind: string };
      const { errors = 'stop' } = request.query as { errors?: string };
      checkOneOf(kind, 'kind', KINDS);
      checkOneOf(errors, 'errors', ['stop', 'skip']);
      const report = await importLines(
        state,
        kind,
        linesOf(request.body as AsyncIterable<Buffer>),
        service.engine.rules,
        {
          errors,
        },
      );
      if (report.loaded > 0) await service.refresh(kind);
      metrics.count('imported_rows_total', `kind="${kind}"`, report.loaded);
      // If nothing was loaded, the status says so too, for clients that look at nothing else.
      return reply.code(errors === 'stop' && report.refused > 0 ? 422 : 200).send(report);
    });
  });
  fastify.get('/export/:kind', { config: { operation: 'export', isOpen: true } }, (request, reply) => {
    const { kind } = request.params as { kind: string };
    checkOneOf(kind, 'kind', KINDS);
    const lines = (async function* () {
      for await (const line of exportLines(state, kind)) yield `${line}\n`;
    })();
    return reply.type('application/x-ndjson').send(Readable.from(lines));
  });
}
