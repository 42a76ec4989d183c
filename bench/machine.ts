import { cpus, loadavg, release, totalmem, type } from 'node:os';
import type { NativeAddon } from '../lib/foundation/addon.js';

export interface Machine {
  cpu: string;
  threads: number;
  /** GB. */
  memory: number;
  system: string;
  node: string;
  isas: string[];
  /** Runnable processes over the last minute, before the benchmark began; far from 0 means the numbers are disturbed. */
  load: string;
}

export function describeMachine({ isas, hardwareThreads }: NativeAddon): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown processor',
    threads: hardwareThreads,
    memory: Math.round(totalmem() / 1e9),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    isas: [...isas],
    load: loadavg()[0].toFixed(1),
  };
}
