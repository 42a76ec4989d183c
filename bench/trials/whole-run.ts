/** A whole training run through the command line, in this process, so that its peak memory can be asked for at the end. */
import { writeFileSync } from 'node:fs';

export interface WholeRunRequest {
  /** Arguments of `innerloop`. */
  arguments: string[];
  /** Where to write the result. */
  report: string;
}
export interface WholeRunResult {
  /** From the start of the process to its end. */
  seconds: number;
  cpu: number;
  /** Bytes. */
  peakMemory: number;
  code: number;
}

const request = JSON.parse(process.argv[2]) as WholeRunRequest;
process.argv.splice(2, 1, ...request.arguments);
process.on('exit', (code) => {
  const { user, system } = process.cpuUsage();
  const result: WholeRunResult = {
    seconds: process.uptime(),
    cpu: (user + system) / 1e6,
    peakMemory: process.resourceUsage().maxRSS * 1024,
    code: Number(code),
  };
  writeFileSync(request.report, JSON.stringify(result));
});
await import('../../lib/cli/main.js');
