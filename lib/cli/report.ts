/** `innerloop report`: a run as one page, and its figures. */
import { join, resolve } from 'node:path';
import { writeReport } from '../report/write.js';
import type { Console } from './output.js';

export interface ReportCommand {
  /** Folder of the run. */
  run: string;
  /** Default: report.html in that folder. */
  output: string | undefined;
  console: Console;
}

export async function report({ run, output, console }: ReportCommand): Promise<void> {
  const { html, figures } = await writeReport(run, output === undefined ? join(run, 'report.html') : resolve(output));
  console.result([html, ...figures].join('\n'));
  console.json({ event: 'result', html, figures });
}
