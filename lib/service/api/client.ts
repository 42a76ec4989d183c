/** A client for Node.js and browsers, whose functions and types are those of the operations. */
import { OPERATIONS } from './operations.js';
import type { AnswerOf, BodyOf, HasId, Operation, OperationName } from './operations.js';

export interface ClientOptions {
  /** Such as `http://127.0.0.1:8080`. */
  url: string;
  token?: string;
}

type Arguments<N extends OperationName> = [
  ...(HasId<N> extends true ? [id: string] : []),
  ...(undefined extends BodyOf<N> ? [] : [body: BodyOf<N>]),
  options?: { query?: Record<string, string>; signal?: AbortSignal },
];
export type Client = { [N in OperationName]: (...args: Arguments<N>) => Promise<AnswerOf<N>> };

/** What the service answers in place of a result. */
export class ServiceError extends Error {
  readonly status: number;
  readonly code: string;
  /** What of the request it is about. */
  readonly field: string | undefined;

  constructor(status: number, { code, message, field }: { code: string; message: string; field?: string }) {
    super(message);
    this.name = 'ServiceError';
    this.status = status;
    this.code = code;
    this.field = field;
  }
}

/**
 * ```ts
 * const client = createClient({ url: 'http://127.0.0.1:8080' });
 * await client.interact({ interactions: [{ user: 'ann', item: '260', value: 5 }] });
 * const { items } = await client.recommend({ user: 'ann', count: 10 });
 * ```
 */
export function createClient({ url, token }: ClientOptions): Client {
  const base = url.replace(/\/$/, '');
  const call = async (name: OperationName, args: unknown[]): Promise<unknown> => {
    const { method, path, body: hasBody }: Operation = OPERATIONS[name];
    const id = path.includes('{id}') ? encodeURIComponent(String(args.shift())) : '';
    const body = hasBody === undefined ? undefined : args.shift();
    const { query, signal } = (args[0] ?? {}) as { query?: Record<string, string>; signal?: AbortSignal };
    const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`;
    const response = await fetch(`${base}${path.replace('{id}', id)}${search}`, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    });
    const answer = (await response.json()) as { error?: { code: string; message: string; field?: string } };
    if (!response.ok)
      throw new ServiceError(response.status, answer.error ?? { code: 'HTTP', message: response.statusText });
    return answer;
  };
  const names = Object.keys(OPERATIONS) as OperationName[];
  return Object.fromEntries(names.map((name) => [name, (...args: unknown[]) => call(name, args)])) as Client;
}
