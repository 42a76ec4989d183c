/** Ids of lists. */
import { randomUUID } from 'node:crypto';

/**
 * A UUID of version 7, whose first 48 bits are the time. A database that finds lists by their ids then adds new ones at the end of
 * its index, where ids without order would change a page of it each.
 * @param now milliseconds since 1970
 */
export function newListId(now: number): string {
  const time = now.toString(16).padStart(12, '0');
  // Version 4 has random digits in the same places, after that of the version.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
