/** Written from the tables of options by `npm run options`: change those, not this file. */

/** Options of `writeReport`. */
export interface ReportOptions {
  /** Folder for the figures as SVG files. Default: a folder beside the page, with the page’s name and `-figures`. */
  figures?: string;
}
