/**
 * A client of HTTP/1.1 that costs little. `node:http` takes as much of the processor for a request as the service does for its answer;
 * on the machine that both share, requests would wait for the client and not for the service that is measured.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** A request that waits for its answer. */
interface Asked {
  text: string;
  answered: (status: number) => void;
}

/** Requests over connections that are kept open, one at a time on each; those beyond wait in order. */
export class LoadClient {
  readonly #url: URL;
  readonly #most: number;
  readonly #free: Connection[] = [];
  readonly #all = new Set<Connection>();
  #waiting: Asked[] = [];

  /** @param most connections that may be open */
  constructor(url: string, most: number) {
    this.#url = new URL(url);
    this.#most = most;
  }

  /** The status of the answer; 0 if there was none. */
  post(path: string, body: object): Promise<number> {
    const payload = JSON.stringify(body);
    const text = `POST ${path} HTTP/1.1\r\nhost: ${this.#url.host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(payload)}\r\n\r\n${payload}`;
    return new Promise((answered) => {
      const asked = { text, answered };
      const free = this.#free.pop();
      if (free !== undefined) free.send(asked);
      else if (this.#all.size < this.#most) this.#open().send(asked);
      else this.#waiting.push(asked);
    });
  }

  #open(): Connection {
    const connection = new Connection(
      this.#url,
      () => {
        const next = this.#waiting.shift();
        if (next === undefined) this.#free.push(connection);
        else connection.send(next);
      },
      () => {
        this.#all.delete(connection);
        const place = this.#free.indexOf(connection);
        if (place >= 0) this.#free.splice(place, 1);
        const next = this.#waiting.shift();
        if (next !== undefined) this.#open().send(next);
      },
    );
    this.#all.add(connection);
    return connection;
  }

  close(): void {
    for (const connection of this.#all) connection.close();
  }
}

class Connection {
  readonly #socket: Socket;
  readonly #isFree: () => void;
  #asked: Asked | undefined;
  #text = '';

  constructor({ hostname, port }: URL, isFree: () => void, isClosed: () => void) {
    this.#isFree = isFree;
    this.#socket = connect(Number(port), hostname).setNoDelay(true).setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#receive(text));
    // An error is followed by the end.
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      isClosed();
      this.#answer(0);
    });
  }

  send(asked: Asked): void {
    this.#asked = asked;
    this.#socket.write(asked.text);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Reads an answer, whose head has the length of its body. */
  #receive(text: string): void {
    this.#text += text;
    const head = this.#text.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#text)?.[1]);
    if (this.#text.length < head + 4 + length) return;
    // Without a length this client cannot read the answer, which then counts as an error.
    const status = Number.isNaN(length) ? 0 : Number(this.#text.slice(9, 12));
    this.#text = '';
    this.#answer(status);
    if (!this.#socket.destroyed) this.#isFree();
  }

  #answer(status: number): void {
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.answered(status);
  }
}
