/** How much memory there is, for checks that refuse what cannot fit. */
import { freemem, totalmem } from 'node:os';

/**
 * Bytes that this process may still take. Within a container the limit minus what the process holds, and not what the
 * container as a whole is charged for: that counts cached files, which give way.
 */
export function availableMemory(): number {
  const limit = process.constrainedMemory?.() ?? 0;
  // macOS counts as free only what it has no use for at all.
  const free = process.platform === 'darwin' ? totalmem() - process.memoryUsage.rss() : freemem();
  return limit > 0 && limit < totalmem() ? Math.min(free, Math.max(0, limit - process.memoryUsage.rss())) : free;
}

/** Bytes for people: `3.2 GB`. */
export function showBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let power = 0;
  for (; bytes >= 1000 && power < units.length - 1; power++) bytes /= 1000;
  return `${bytes >= 100 || power === 0 ? Math.round(bytes) : bytes.toPrecision(2)} ${units[power]}`;
}
