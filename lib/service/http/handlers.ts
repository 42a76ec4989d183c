/** The handler of each operation. */
import type { AnswerOf, BodyOf, OperationName } from '../api/operations.js';
import type { Service } from '../service.js';
import type { Metrics } from './metrics.js';

interface Call {
  id: string;
  body: unknown;
  query: Record<string, string>;
  signal: AbortSignal;
  metrics: Metrics;
}
type Handlers = { [N in OperationName]: (service: Service, call: Call) => Promise<AnswerOf<N>> | AnswerOf<N> };

/** The body of a call, which was checked against the schema that its type is inferred from. */
const of = <N extends OperationName>(_: N, { body }: Call) => body as BodyOf<N>;

export const handlers: Handlers = {
  async recommend(service, call) {
    const answer = await service.ask('recommend', of('recommend', call), call.signal);
    call.metrics.count('lists_total', `source="${answer.source}"`);
    return answer;
  },
  async recommendMany(service, call) {
    const answer = await service.ask('recommendMany', of('recommendMany', call), call.signal);
    for (const { source } of answer.recommendations) call.metrics.count('lists_total', `source="${source}"`);
    return answer;
  },
  givenRecommendation: (service, { id }) => service.givenRecommendation(id),
  predict: (service, call) => service.ask('predict', of('predict', call), call.signal),
  predictMany: (service, call) => service.ask('predictMany', of('predictMany', call), call.signal),
  explain: (service, call) => service.ask('explain', of('explain', call), call.signal),
  similar: (service, { id, query, signal }) =>
    service.ask('similar', { id, count: query['count'] === undefined ? undefined : Number(query['count']) }, signal),
  questions: (service, call) => service.ask('questions', of('questions', call), call.signal),
  async interact(service, call) {
    const body = of('interact', call);
    const answer = await service.interact(body);
    const answered = body.interactions.filter(({ recommendationId }) => recommendationId !== undefined).length;
    call.metrics.count('interactions_total', '', answer.added);
    if (answered > 0) call.metrics.count('interactions_answering_total', '', answered);
    return answer;
  },
  item: (service, { id }) => service.item(id),
  putItem: (service, call) => service.putItem(call.id, of('putItem', call)),
  user: (service, { id }) => service.user(id),
  putUser: (service, call) => service.putUser(call.id, of('putUser', call)),
  forget: (service, { id }) => service.forget(id),
  experiments: (service) => service.results(),
  reload: (service) => service.reload(),
  health: (service) => service.health(),
  ready: (service) => service.health(),
};
