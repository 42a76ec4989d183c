/** A typed client of the service for Node.js and browsers, with one function for each operation. */
import { OPERATIONS } from './operations.js';
import type { AnswerOf, BodyOf, HasId, Operation, OperationName } from './operations.js';

/** Options of `createClient`. */
export interface ClientOptions {
  /** Address of the service, such as `http://127.0.0.1:8080`. */
  url: string;
  /** The token that the service was started with, if any. */
  token?: string;
}

type Arguments<N extends OperationName> = [
  ...(HasId<N> extends true ? [id: string] : []),
  ...(undefined extends BodyOf<N> ? [] : [body: BodyOf<N>]),
  options?: { query?: Record<string, string>; signal?: AbortSignal },
];
/** One function for each operation, with the types of its request and its answer. */
export type Client = { [N in OperationName]: (...args: Arguments<N>) => Promise<AnswerOf<N>> };

/** An error that the service answered with. */
export class ServiceError extends Error {
  /** HTTP status of the answer. */
  readonly status: number;
  /** The error's code, such as `INVALID_OPTION`. */
  readonly code: string;
  /** The field of the request that the error is about. */
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
 * Makes a client of a running service. Each function takes the operation's id and body, if it has them, and returns the answer.
 *
 * ```ts
 * const client = createClient({ url: 'http://127.0.0.1:8080' });
 * await client.interact({ interactions: [{ user: 'ann', item: '260', value: 5 }] });
 * const { items } = await client.recommend({ user: 'ann', count: 10 });
 * ```
 *
 * A call rejects with a {@link ServiceError} if the service answers with an error.
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
