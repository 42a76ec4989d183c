/**
 * Numbers of texts in order of their first appearance, with counts. The texts are spread over many small maps, because a map that grows
 * moves all of its entries at once: a stop of some tenths of a second at a million of them.
 *
 * @internal
 */
export class TextNumbers {
  readonly texts: string[] = [];
  readonly counts: number[] = [];
  readonly #maps = Array.from({ length: 256 }, () => new Map<string, number>());

  /** Counts a text. @returns its number */
  add(text: string): number {
    const { length } = text;
    const [last, before] = [text.charCodeAt(length - 1), text.charCodeAt(length - 2)];
    const map = this.#maps[(31 * (31 * last + before) + length) & 255];
    const known = map.get(text);
    if (known !== undefined) {
      this.counts[known]++;
      return known;
    }
    map.set(text, this.texts.length);
    this.counts.push(1);
    return this.texts.push(text) - 1;
  }
}
