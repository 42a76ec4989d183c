/** What follows from the tables of options: types with their comments, the reference, the configuration's schema. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import type { ALGORITHMS } from '../../lib/algorithms/registry.js';
import type { BaselineOptions } from '../../lib/baselines/option-types.js';
import type { BASELINE_OPTIONS } from '../../lib/baselines/options.js';
import { optionDocuments } from '../../lib/cli/option-docs.js';
import { OPTION_FILES } from '../../lib/cli/option-tables.js';
import { packageRoot } from '../../lib/foundation/addon.js';
import { checkOption, docOf, resolveOptions } from '../../lib/foundation/options.js';
import type { OptionKind, OptionsOf, OptionTable } from '../../lib/foundation/options.js';
import type { MamlOptions } from '../../lib/meta/algorithm-option-types.js';
import type { MetaGradientOptions } from '../../lib/meta/call-option-types.js';
import type { META_GRADIENT_OPTIONS } from '../../lib/meta/call-options.js';
import type { AdamOptions } from '../../lib/meta/optimizer-option-types.js';
import type { OPTIMIZER_OPTIONS } from '../../lib/meta/outer-update.js';
import type { TaskOptions } from '../../lib/tasks/option-types.js';
import type { TASK_OPTIONS } from '../../lib/tasks/options.js';
import type { CrossDomainOptions, DriftOptions, FewShotOptions } from '../../lib/scenarios/option-types.js';
import type { CROSS_DOMAIN_OPTIONS, DRIFT_OPTIONS, FEW_SHOT_OPTIONS } from '../../lib/scenarios/options.js';
import type { FIT_OPTIONS } from '../../lib/training/fit-options.js';
import type { FitOptions, TrainOptions } from '../../lib/training/option-types.js';
import type { TRAIN_OPTIONS } from '../../lib/training/options.js';
import type { HistoryOptions, RowWeightOptions } from '../../lib/data/option-types.js';
import type { HISTORY_OPTIONS, WEIGHT_OPTIONS } from '../../lib/data/options.js';
import type { CompareOptions, PolicyOptions, RankOptions } from '../../lib/evaluation/analysis-option-types.js';
import type { COMPARE_OPTIONS, POLICY_OPTIONS, RANK_OPTIONS } from '../../lib/evaluation/analysis-options.js';
import type { EvaluateOptions } from '../../lib/evaluation/option-types.js';
import type { EVALUATE_OPTIONS } from '../../lib/evaluation/options.js';
import type { ErrorCode } from '../../lib/foundation/errors.js';
import { refuses } from '../fixtures/family.js';

const root = packageRoot();

test('the documented types and the reference are those of the tables: npm run options', async () => {
  const documents = optionDocuments();
  assert.equal(Object.keys(documents).length, OPTION_FILES.length + 1);
  for (const [path, text] of Object.entries(documents))
    assert.equal(readFileSync(join(root, path), 'utf8'), text, `${path} is stale: npm run options`);
});

/** Compiles where both take the same. */
const same = <A, B extends A>(..._: B extends A ? (A extends B ? [] : [never]) : [never]) => undefined;
test('the written types take what the tables take', async () => {
  same<MamlOptions, OptionsOf<(typeof ALGORITHMS)['maml']['options']>>();
  same<AdamOptions, OptionsOf<(typeof OPTIMIZER_OPTIONS)['adam']>>();
  same<TaskOptions, OptionsOf<typeof TASK_OPTIONS>>();
  same<TrainOptions, OptionsOf<typeof TRAIN_OPTIONS>>();
  same<FitOptions, OptionsOf<typeof FIT_OPTIONS>>();
  same<FewShotOptions, OptionsOf<typeof FEW_SHOT_OPTIONS>>();
  same<DriftOptions, OptionsOf<typeof DRIFT_OPTIONS>>();
  same<CrossDomainOptions, OptionsOf<typeof CROSS_DOMAIN_OPTIONS>>();
  same<BaselineOptions, OptionsOf<typeof BASELINE_OPTIONS>>();
  same<EvaluateOptions, OptionsOf<typeof EVALUATE_OPTIONS>>();
  same<CompareOptions, OptionsOf<typeof COMPARE_OPTIONS>>();
  same<PolicyOptions, OptionsOf<typeof POLICY_OPTIONS>>();
  same<RankOptions, OptionsOf<typeof RANK_OPTIONS>>();
  same<RowWeightOptions, OptionsOf<typeof WEIGHT_OPTIONS>>();
  same<HistoryOptions, OptionsOf<typeof HISTORY_OPTIONS>>();
  same<MetaGradientOptions, OptionsOf<typeof META_GRADIENT_OPTIONS>>();
});

test('editors show every option of every table with its text and default', async () => {
  for (const { path, types } of OPTION_FILES) {
    const declared = readFileSync(join(root, 'dist', path.replace(/\.ts$/, '.d.ts')), 'utf8').replace(/\n\s+\* /g, ' ');
    for (const type of types) {
      const tables = 'table' in type ? [type.table] : 'of' in type ? Object.values(type.of) : [];
      for (const [name, spec] of tables.flatMap((table) => Object.entries(table))) {
        const at = declared.indexOf(docOf(spec));
        assert.ok(at >= 0, `${path} does not say what ${name} is`);
      }
    }
  }
  const factory = readFileSync(join(root, 'dist', 'lib', 'algorithms', 'maml.d.ts'), 'utf8');
  assert.match(factory, /MamlOptions/);
});

/** Every default of a table, however deep. */
function* defaults(table: OptionTable, field: string): Generator<{ field: string; kind: OptionKind; value: unknown }> {
  for (const [name, spec] of Object.entries(table)) {
    const at = `${field}.${name}`;
    if (spec.default !== undefined) yield { field: at, kind: spec, value: spec.default };
    yield* within(spec, at);
  }
}
function* within(kind: OptionKind, field: string): ReturnType<typeof defaults> {
  if (kind.kind === 'object') yield* defaults(kind.fields, field);
  if (kind.kind === 'variant') for (const table of Object.values(kind.of)) yield* defaults(table, field);
  if (kind.kind === 'any') for (const each of kind.of) yield* within(each, field);
}

test('every default is a value that its option takes', async () => {
  let count = 0;
  for (const { types } of OPTION_FILES)
    for (const type of types)
      for (const table of 'table' in type ? [type.table] : 'of' in type ? Object.values(type.of) : [])
        for (const { field, kind, value } of defaults(table, 'options')) {
          checkOption(value, field, kind);
          count++;
        }
  assert.ok(count > 150, `${count} defaults`);
});

test('an options object is copied, checked and completed by its table', async () => {
  const table = {
    rate: { kind: 'number', above: 0, default: 0.5, doc: '' },
    by: {
      kind: 'any',
      of: [
        { kind: 'number', min: 0 },
        { kind: 'record', of: { kind: 'number', min: 0 }, what: 'numbers by name' },
      ],
      what: 'a number, or numbers by name',
      doc: '',
    },
    how: {
      kind: 'variant',
      tag: 'by',
      of: { size: { power: { kind: 'number', default: 1, doc: '' } }, all: {} },
      doc: '',
    },
  } as const satisfies OptionTable;
  const given = { by: { a: 1 }, how: { by: 'size' } };
  const resolved = resolveOptions(given, 'o', table);
  assert.deepEqual(resolved, { rate: 0.5, by: { a: 1 }, how: { by: 'size' } });
  given.by.a = 2;
  assert.deepEqual(resolved.by, { a: 1 });
  const refused = (options: unknown, code: ErrorCode, message: RegExp) =>
    refuses(() => resolveOptions(options, 'o', table), code, message);
  refused({ rate: 0 }, 'INVALID_OPTION', /o\.rate/);
  refused({ by: { a: -1 } }, 'INVALID_OPTION', /o\.by\.a/);
  refused({ by: [1] }, 'INVALID_OPTION', /o\.by.*a number, or numbers by name/);
  refused({ by: 'a' }, 'INVALID_OPTION', /o\.by.*a number, or numbers by name/);
  refused({ how: { by: 'sizes' } }, 'INVALID_OPTION', /o\.how\.by.*did you mean size/);
  refused({ how: { by: 'all', power: 1 } }, 'UNKNOWN_OPTION', /o\.how\.power/);
  refused({ rates: 1 }, 'UNKNOWN_OPTION', /o\.rates.*did you mean rate/);
});
