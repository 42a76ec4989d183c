/** Written from the tables of options by `npm run options`: change those, not this file. */
import type { IdSource } from './feature-spec.js';
import type { FileFormat } from './table-source.js';

/** How a file is read. Options that are left out follow from the file; where they do not, an error says what to write. */
export interface FileOptions {
  /**
   * The format of the file. `csv`: a text table, whatever separates its fields; `json`: an array of objects, or one object a
   * line; `python`: one Python dictionary a line. `libsvm`: `label index:value …`, with columns `label`, `index1`, `value1`, …;
   * `libffm`: `label field:index:value …`, with columns `label` and one for each field, named after it; `field:list`, with `|`
   * between its entries, if a line has the field more than once. `blocks`: lines `id:`, each followed by the rows of that id
   * (Netflix); the ids become the column `block`. `histories`: lines `user item item …` or `user: item item …`; columns `user`,
   * `item`. `impressions`: MIND’s behaviors.tsv, with one row for each item shown; columns `impression`, `user`, `time`,
   * `history`, `item`, `clicked`. `matrixMarket`, `npz`: a sparse matrix; columns `row`, `column`, `value`. `sqlite`,
   * `postgres`, `xlsx`: read by a DuckDB extension, which must be installed; `path` names the table, `sheet` the sheet. Default:
   * by the file’s name, else by its first bytes.
   */
  format?: FileFormat;
  /**
   * What separates the fields of a text table: one to four characters, or `\s+` for any run of blanks and tabs. Default: the
   * delimiter that splits the first line into the mapped columns, or the one that a first line such as `sep=;` states.
   */
  delimiter?: string;
  /** The text that comment lines begin with, such as `#`. Default: there are no comment lines. */
  comment?: string;
  /**
   * How many lines at the beginning of a text table are not part of it, such as a title; blank lines need no skipping. Default:
   * 0.
   */
  skip?: number;
  /** Whether the first line of a text table holds the column names. Default: true; false if `columns` are given. */
  header?: boolean;
  /**
   * Names of the columns, in the file’s order, in place of its own. Default: those of the file; without a header `1`, `2` and so
   * on.
   */
  columns?: string[];
  /** Encoding of a text file: any name that TextDecoder knows, or `latin-1`. Default: that of a byte order mark, else UTF-8. */
  encoding?: string;
  /** The quote around fields that hold delimiters or line breaks; empty if quotes are text. Default: `"`. */
  quote?: string;
  /** The character that makes a quote inside quotes text. Default: the quote itself, doubled. */
  escape?: string;
  /** A place inside the file: the path of a list in JSON (`data.ratings`), a file in a zip archive, or a table of a database. */
  path?: string;
  /** The sheet of a workbook. Default: the first. */
  sheet?: string;
}

/** How texts become ids, numbers and times. */
export interface ValueOptions {
  /** Texts that stand for a missing value, besides the empty text. Default: NULL, NaN, NA and the others of `DEFAULT_NULLS`. */
  nulls?: string[];
  /** The decimal mark of numbers in text. Default: `.`. */
  decimal?: '.' | ',';
  /**
   * How times are written: patterns of DuckDB’s strptime such as `%d.%m.%Y %H:%M`, of which the first that fits is used; or, for
   * numbers, the unit since 1970, `s`, `ms`, `us` or `ns`. Both become Unix seconds. Default: ISO 8601 becomes Unix seconds, and
   * numbers stay as they are.
   */
  timeFormat?: string | string[];
}

/** A column of labels in text, and how it becomes numbers. */
export interface LabelSource {
  /** The column that holds the labels. */
  column: string;
  /**
   * The number that each text stands for, such as `{ yes: 1, no: 0 }`, without regard to case. Other texts are read as numbers.
   */
  values?: Record<string, number>;
  /** Text before or after the number, such as `stars` or `%`; blanks around it are trimmed. Default: none. */
  unit?: string | string[];
  /** The decimal mark. Default: the `decimal` of the table. */
  decimal?: '.' | ',';
  /** What separates groups of three digits, such as `,`. Default: nothing. */
  thousands?: string;
}

/** Which column of the interactions holds what. */
export interface InteractionColumns {
  /** Column that holds the user id, read as text. */
  user: string;
  /** Column that holds the item id, read as text. */
  item: string;
  /**
   * Column that holds the rating, or 0/1, or any number; true and false become 1 and 0. An object also says how texts become
   * numbers. Default: every interaction is a positive one with label 1, as for purchases, clicks and plays.
   */
  label?: string | LabelSource;
  /** Column that holds the time: a number, a TIMESTAMP or a DATE; the last two become Unix seconds. Default: no times. */
  time?: string;
  /** Column that holds how often the interaction took place: `dataset.count`. Default: once. */
  count?: string;
  /** Column that holds the weight ≥ 0 of the interaction in losses: `dataset.weight`. Default: all weigh alike. */
  weight?: string;
  /**
   * Column that names the part of a prescribed split that a row is in, such as `train` or `test`: `dataset.part`. Default: no
   * split is prescribed.
   */
  part?: string;
}

/** One feature of a user, an item or an interaction. */
export interface FeatureSpec {
  /** The feature’s name in the dataset. */
  name: string;
  /**
   * categorical: one text (numbers are read as text), 0 = missing or rarer than minCount. bag: a list of texts: a list column,
   * or text split at separator. dense: a number, a list column of size numbers, or the rows of a matrix in a file. sequence: for
   * interactions only: the user’s earlier items, oldest first (see `withHistory`).
   */
  kind: 'categorical' | 'bag' | 'dense' | 'sequence';
  /** Column of the table. Default: the name. */
  column?: string;
  /** SQL expression over the table’s columns, in place of column. Mapped id, categorical and bag columns are text. */
  sql?: string;
  /**
   * What separates the entries of a bag that is written as text; white space around entries is trimmed. Lists in brackets, as
   * JSON and Python write them, are read as lists. Default: `|`.
   */
  separator?: string;
  /** Texts that occur fewer times in the table become category 0. Default: 1. */
  minCount?: number;
  /** Dense: shift and scale to mean 0 and variance 1 over the values present. Default: true, without normalize. */
  standardize?: boolean;
  /** Dense: first scale every row to length 1. Default: false. */
  normalize?: boolean;
  /**
   * Dense: add a second column, `<name>.present`, 1 where the feature has a value and 0 where it is missing, so that a model can
   * tell a missing value from the mean. Default: false.
   */
  present?: boolean;
  /** Dense lists: numbers per row. Default: the length of the first list. */
  size?: number;
  /** Dense: a matrix [rows, size] in a `.npy` or `.safetensors` file, in place of column and sql. */
  file?: string;
  /** The name of the tensor in a `.safetensors` file. Default: its only two-dimensional tensor. */
  tensor?: string;
  /**
   * The id that each row of `file` belongs to: in a file, a column of a table, or a tensor. Default: row r belongs to row r of
   * the table.
   */
  ids?: IdSource;
  /** Sequences: All items strictly before the interaction, or those of its task’s support set. Default: before. */
  of?: 'before' | 'support';
  /** Sequences: Keep at most this many items, the most recent ones. Default: 20. */
  maxLength?: number;
  /** Sequences: Leave out interactions with a smaller label. Default: none are left out. */
  minLabel?: number;
}

/** Which of several interactions of the same user and item is kept; see {@link DataRules}. */
export type DuplicateRule = 'last' | 'first' | 'mean' | 'sum' | 'error';

/** How rows with missing values, repeated rows, and rare users and items are treated. */
export interface DataRules {
  /**
   * What to do if a user and an item occur together more than once. last and first keep the last or first row, by time if a time
   * is mapped, and by file order otherwise and at equal times; mean keeps the last row with the mean of the labels; sum keeps it
   * with the sums of labels, counts and weights (without a label column, of counts and weights only); error throws. Default:
   * last; without a label column sum.
   */
  duplicates?: DuplicateRule;
  /** What to do with a row without a label: throw an error, or drop the row. Default: error. */
  missingLabel?: 'error' | 'drop';
  /** What to do with a row without a user or item: throw an error, or drop the row. Default: error. */
  missingId?: 'error' | 'drop';
  /** What to do with a row without a time, if a time is mapped: throw an error, or drop the row. Default: error. */
  missingTime?: 'error' | 'drop';
  /**
   * Keep only users and items that have at least this many interactions with the users and items kept (the k-core). It applies
   * after all other rules. Default: all are kept.
   */
  kCore?: number | {
    /** Fewest interactions of a user. Default: all are kept. */
    user?: number;
    /** Fewest interactions of an item. Default: all are kept. */
    item?: number;
  };
  /**
   * With part: whether to keep or drop rows outside the training part whose item does not occur in the training part. Default:
   * keep.
   */
  unseenItems?: 'keep' | 'drop';
}
