/** Reads the lines of a stream, and refuses lines that are too long to be rows. */
import { InnerloopError } from '../../foundation/errors.js';

/** The most characters of a line. */
const LONGEST = 2 ** 20;

export async function* linesOf(stream: AsyncIterable<Buffer | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let [rest, line] = ['', 0];
  const tooLong = () =>
    new InnerloopError('INVALID_DATA', 'is longer than any row', {
      field: `line ${line + 1}`,
      expected: `JSON Lines: rows of at most ${LONGEST} characters, each on a line`,
    });
  for await (const chunk of stream) {
    let text: string;
    try {
      text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw new InnerloopError('INVALID_DATA', 'not UTF-8', { field: `after line ${line}`, cause });
    }
    const parts = (rest + text).split('\n');
    rest = parts.pop()!;
    for (const part of parts) {
      if (part.length > LONGEST) throw tooLong();
      line++;
      yield part.endsWith('\r') ? part.slice(0, -1) : part;
    }
    if (rest.length > LONGEST) throw tooLong();
  }
  if (rest !== '') yield rest;
}
