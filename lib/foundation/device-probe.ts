/** Run by device.ts in a process of its own: prints what a plugin finds, or why it finds nothing. */
import { addon } from './addon.js';
import type { ProbeFailure, ProbeReport } from './device.js';

const report = (): ProbeReport => {
  try {
    return addon().probeDevice(process.argv[2] ?? '');
  } catch (error) {
    const { code = 'CUDA_DRIVER', message, required, found } = error as Error & Partial<ProbeFailure>;
    return { code, message, required, found };
  }
};
process.stdout.write(JSON.stringify(report()));
