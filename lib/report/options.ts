/** The table of the options of `writeReport`, which checks, types and docs follow from. */
import type { OptionTable } from '../foundation/options.js';

/** @internal */
export const REPORT_OPTIONS = {
  figures: {
    kind: 'text',
    defaultDoc: 'a folder beside the page, with the page’s name and `-figures`',
    doc: 'Folder for the figures as SVG files.',
  },
} as const satisfies OptionTable;
