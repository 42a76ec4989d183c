/** Every table of options, with the types that are written of it (`npm run options`) and the heading it has in the reference. */
import { JOIN_OPTIONS } from '../distributed/mpi.js';
import { ALGORITHMS } from '../algorithms/registry.js';
import { BASELINE_OPTIONS, FIT_OF } from '../baselines/options.js';
import { INPUT_CHOICE } from '../batch/features.js';
import { ROW_OPTIONS } from '../batch/row-rules.js';
import { HIDE_OPTIONS } from '../batch/task-batch.js';
import {
  CONFIDENCE_OPTIONS,
  HISTORY_OPTIONS,
  OPEN_OPTIONS,
  POPULARITY_OPTIONS,
  WEIGHT_OPTIONS,
} from '../data/options.js';
import {
  COLUMN_OPTIONS,
  FEATURE_OPTIONS,
  FILE_OPTIONS,
  LABEL_OPTIONS,
  RULE_OPTIONS,
  VALUE_OPTIONS,
} from '../data/source-options.js';
import { CANDIDATES } from '../evaluation/candidates.js';
import {
  COMPARE_OPTIONS,
  COUNTERFACTUAL_OPTIONS,
  GROUP_OPTIONS,
  LIST_OPTIONS,
  MEDIAN_DECODER_OPTIONS,
  POLICY_OPTIONS,
  PROPENSITY_OPTIONS,
  RANK_OPTIONS,
  RELIABILITY_OPTIONS,
  RENDER_OPTIONS,
  RESAMPLE_OPTIONS,
} from '../evaluation/analysis-options.js';
import { EVALUATION_OPTIONS, METRIC_OPTIONS } from '../evaluation/metric-options.js';
import { EVALUATE_OPTIONS } from '../evaluation/options.js';
import { GRADIENT_OPTIONS } from '../meta/algorithm-options.js';
import { CALL_OPTIONS, EPISODE_OPTIONS, META_GRADIENT_OPTIONS, TABLE_OPTIONS } from '../meta/call-options.js';
import { OPTIMIZER_OPTIONS } from '../meta/outer-update.js';
import { BODIES } from '../model/bodies/index.js';
import { AUXILIARY_OPTIONS, INPUT_OPTIONS, MODEL_OPTIONS } from '../model/inputs.js';
import {
  ALIGNMENT_OPTIONS,
  ASK_FIRST_OPTIONS,
  CROSS_DOMAIN_OPTIONS,
  DRIFT_OPTIONS,
  EVIDENCE_OPTIONS,
  FEW_SHOT_OPTIONS,
  NEGATIVE_TRANSFER_OPTIONS,
  PARTITION_OPTIONS,
  SHRINKAGE_OPTIONS,
} from '../scenarios/options.js';
import {
  NESTED_OPTIONS,
  OPEN_SHARDS_OPTIONS,
  QUERY_SIZE,
  SAMPLE_OPTIONS,
  SELECTOR,
  SHARD_OPTIONS,
  SPLIT_OPTIONS,
  SPLIT_PROTOCOLS,
  SUPPORT_SIZE,
  TASK_KEY,
  TASK_OPTIONS,
} from '../tasks/options.js';
import { ADDING_OPTIONS, CREATING_OPTIONS, ESTIMATE_OPTIONS, LEARNER_OPTIONS } from '../learner/options.js';
import { FIT_OPTIONS } from '../training/fit-options.js';
import type { OptionFile } from './option-file.js';
import { SERVE_OPTIONS } from '../service/options.js';
import { REPORT_OPTIONS } from '../report/options.js';
import { TRAIN_OPTIONS, TRAIN_STEP_OPTIONS } from '../training/options.js';
import { TASK_SAMPLING } from '../training/task-sampling.js';
import { TUNE_OPTIONS } from '../tune/options.js';

const capital = (name: string) => name[0].toUpperCase() + name.slice(1);
const SPLITS = {
  users: 'UserSplit',
  tasks: 'TaskSplit',
  time: 'TimeSplit',
  parts: 'PartSplit',
  partitions: 'PartitionSplit',
};

export const OPTION_FILES: readonly OptionFile[] = [
  {
    path: 'lib/data/source-option-types.ts',
    title: 'Sources of data: what `openDataset` reads',
    imports: {
      './feature-spec.js': ['IdSource'],
      './table-source.js': ['FileFormat'],
    },
    types: [
      {
        name: 'FileOptions',
        table: FILE_OPTIONS,
        doc: 'How a file is read. Options that are left out follow from the file; where they do not, an error says what to write.',
      },
      { name: 'ValueOptions', table: VALUE_OPTIONS, doc: 'How texts become ids, numbers and times.' },
      { name: 'LabelSource', table: LABEL_OPTIONS, doc: 'A column of labels in text, and how it becomes numbers.' },
      { name: 'InteractionColumns', table: COLUMN_OPTIONS, doc: 'Which column of the interactions holds what.' },
      { name: 'FeatureSpec', table: FEATURE_OPTIONS, doc: 'One feature of a user, an item or an interaction.' },
      {
        name: 'DuplicateRule',
        kind: RULE_OPTIONS.duplicates,
        doc: 'Which of several interactions of the same user and item is kept; see {@link DataRules}.',
      },
      {
        name: 'DataRules',
        table: RULE_OPTIONS,
        doc: 'How rows with missing values, repeated rows, and rare users and items are treated.',
      },
    ],
  },
  {
    path: 'lib/data/option-types.ts',
    title: 'Data: `openDataset`, `rowWeights`, `withHistory`',
    imports: {},
    types: [
      { name: 'OpenOptions', table: OPEN_OPTIONS, doc: 'Options of `openDataset`.' },
      { name: 'RowWeightOptions', table: WEIGHT_OPTIONS, doc: 'Options of `rowWeights`.' },
      {
        name: 'PopularityPropensity',
        table: POPULARITY_OPTIONS,
        doc: 'The probability that an interaction was observed, estimated from the popularity of its item or user.',
      },
      { name: 'CountConfidence', table: CONFIDENCE_OPTIONS, doc: 'How counts become weights.' },
      { name: 'HistoryOptions', table: HISTORY_OPTIONS, doc: 'Options of `withHistory`.' },
    ],
  },
  {
    path: 'lib/foundation/option-types.ts',
    title: 'Models: `defineModel`',
    imports: {},
    types: [
      {
        union: 'InputSpec',
        tag: 'kind',
        of: INPUT_OPTIONS,
        docs: {
          dense: 'An input of `size` numbers a row.',
          categorical: 'An input of one id a row, which is embedded.',
          bag: 'An input of any number of ids a row, whose embeddings are pooled.',
          sequence: 'An input of ids in order, oldest first, whose embeddings are pooled or read by a `gru`.',
        },
        nameOf: (kind) => `${capital(kind)}Input`,
        doc: 'An input of a model; `describeInputs` makes them from columns.',
      },
      {
        union: 'BodySpec',
        tag: 'kind',
        of: Object.fromEntries(Object.entries(BODIES).map(([kind, { options }]) => [kind, options])),
        docs: Object.fromEntries(Object.entries(BODIES).map(([kind, { doc }]) => [kind, doc])),
        nameOf: (kind) => `${capital(kind)}Body`,
        doc: 'What computes the outputs from the inputs; `lib/model/bodies/` has the equations.',
      },
      { name: 'AuxiliaryOptions', table: AUXILIARY_OPTIONS, doc: 'Of an auxiliary head, beside its loss.' },
      { name: 'ModelOptions', table: MODEL_OPTIONS, doc: 'How a model computes.' },
    ],
  },
  {
    path: 'lib/tasks/option-types.ts',
    title: 'Tasks: `buildTasks`, `splitTasks`',
    imports: {},
    types: [
      {
        name: 'TaskKey',
        kind: TASK_KEY,
        doc: "What a task is: a user, an item, or a value of a categorical or bag column of the users, the items or the interactions. A row with several values in a bag column belongs to the task of each; one with none to no task. A SQL expression over the interactions is an interaction feature (`features: [{ name, kind: 'categorical', sql }]`) that `column` names.",
      },
      { name: 'QuerySize', kind: QUERY_SIZE, doc: 'How many of a task’s rows are its query.' },
      { name: 'Selector', kind: SELECTOR, doc: 'A subset of users or items.' },
      {
        name: 'SupportSize',
        table: SUPPORT_SIZE,
        doc: 'How many support rows an epoch gives a task; see `supportSize` of `train`.',
      },
      { name: 'TaskOptions', table: TASK_OPTIONS, doc: 'How interactions become tasks.' },
      {
        union: 'SplitOptions',
        tag: 'protocol',
        of: SPLIT_OPTIONS,
        docs: SPLIT_PROTOCOLS,
        nameOf: (protocol) => SPLITS[protocol as keyof typeof SPLITS],
        doc: 'How the data becomes training, validation and test tasks.',
      },
      { name: 'NestedOptions', table: NESTED_OPTIONS, doc: 'Options of `nestedSupport`.' },
      { name: 'SampleOptions', table: SAMPLE_OPTIONS, doc: 'Options of `sampleTasks`.' },
      { name: 'ShardOptions', table: SHARD_OPTIONS, doc: 'Options of `writeShards`.' },
      { name: 'OpenShardsOptions', table: OPEN_SHARDS_OPTIONS, doc: 'Options of `openShards`.' },
    ],
  },
  {
    path: 'lib/batch/option-types.ts',
    title: 'Inputs and rows: `describeInputs`, `createLearner({ rows })`',
    imports: {},
    types: [
      { name: 'InputChoice', table: INPUT_CHOICE, doc: 'A column that becomes an input.' },
      { name: 'RowOptions', table: ROW_OPTIONS, doc: 'How labels are centred and negatives drawn.' },
      { name: 'HideIds', table: HIDE_OPTIONS, doc: 'How often a training task hides ids.' },
    ],
  },
  {
    path: 'lib/meta/optimizer-option-types.ts',
    title: 'Outer optimizers: `adam`, `sgd`',
    imports: {},
    types: [
      { name: 'AdamOptions', table: OPTIMIZER_OPTIONS.adam, doc: 'Options of `adam`.' },
      { name: 'SgdOptions', table: OPTIMIZER_OPTIONS.sgd, doc: 'Options of `sgd`.' },
    ],
  },
  {
    path: 'lib/meta/call-option-types.ts',
    title: 'Calls of the core: `adapt`, `predict`, `metaGradient`, `episodeGradient`',
    imports: {},
    types: [
      { name: 'CallOptions', table: CALL_OPTIONS, doc: 'Options of a call of the core, such as `predict`.' },
      {
        name: 'TableOptions',
        table: TABLE_OPTIONS,
        doc: 'How tables of embeddings come back, from `adapt` and `hessianVectorProduct` too.',
      },
      { name: 'MetaGradientOptions', table: META_GRADIENT_OPTIONS, doc: 'Options of `metaGradient`.' },
      { name: 'EpisodeOptions', table: EPISODE_OPTIONS, doc: 'Options of `episodeGradient`.' },
    ],
  },
  {
    path: 'lib/meta/algorithm-option-types.ts',
    title: 'Algorithms',
    imports: {},
    types: [
      { name: 'GradientOptions', table: GRADIENT_OPTIONS, doc: 'Options of algorithms that take gradient steps.' },
      {
        name: 'OptionsByAlgorithm',
        of: Object.fromEntries(Object.entries(ALGORITHMS).map(([name, { options }]) => [name, options])),
        nameOf: (name) => `${capital(name)}Options`,
        doc: 'Options of every algorithm by its name.',
      },
    ],
  },
  {
    path: 'lib/baselines/option-types.ts',
    title: 'Baselines: `fitBaselines`',
    imports: {},
    types: [
      ...Object.entries(FIT_OF).map(([name, { fields, named }]) => ({
        name: named,
        table: fields,
        doc: `Options of \`${name}\`.`,
      })),
      { name: 'BaselineOptions', table: BASELINE_OPTIONS, doc: 'Options of `fitBaselines`.' },
    ],
  },
  {
    path: 'lib/evaluation/option-types.ts',
    title: 'Measuring: `evaluate`',
    imports: {
      '../baselines/baseline.js': ['Baseline'],
      '../foundation/contract.js': ['TaskSet'],
      './metric.js': ['CustomMetric'],
    },
    types: [
      { name: 'Candidates', kind: CANDIDATES, doc: 'What metrics that rank are of; see `candidates` of `evaluate`.' },
      { name: 'MetricOptions', table: METRIC_OPTIONS, doc: 'What measuring depends on, whatever is measured.' },
      { name: 'EvaluateOptions', table: EVALUATE_OPTIONS, doc: 'Options of `evaluate`.' },
      { name: 'EvaluationOptions', table: EVALUATION_OPTIONS, doc: 'Options of `evaluateScores`.' },
    ],
  },
  {
    path: 'lib/evaluation/analysis-option-types.ts',
    title: 'Comparing, lists and logged data: `compareMethods`, `rankCatalog`, `counterfactual` …',
    imports: {},
    types: [
      {
        name: 'ResampleOptions',
        table: RESAMPLE_OPTIONS,
        doc: 'How often tasks are resampled, groups shuffled or signs flipped, and with which seed: `pairedBootstrap`, `randomizationTest`, `bootstrapIntervals`.',
      },
      { name: 'CompareOptions', table: COMPARE_OPTIONS, doc: 'Options of `compareMethods`.' },
      { name: 'GroupOptions', table: GROUP_OPTIONS, doc: 'Options of `compareGroups`.' },
      { name: 'ReliabilityOptions', table: RELIABILITY_OPTIONS, doc: 'Options of `reliability`.' },
      { name: 'RankOptions', table: RANK_OPTIONS, doc: 'Options of `rankCatalog`.' },
      { name: 'ListOptions', table: LIST_OPTIONS, doc: 'Options of `evaluateLists`.' },
      { name: 'CounterfactualOptions', table: COUNTERFACTUAL_OPTIONS, doc: 'Options of `counterfactual`.' },
      { name: 'PropensityOptions', table: PROPENSITY_OPTIONS, doc: 'Options of `popularityPropensity`.' },
      { name: 'PolicyOptions', table: POLICY_OPTIONS, doc: 'Options of `policyValue`.' },
      { name: 'MedianDecoderOptions', table: MEDIAN_DECODER_OPTIONS, doc: 'Options of `fitMedianDecoder`.' },
      { name: 'RenderOptions', table: RENDER_OPTIONS, doc: 'Options of `renderText` and `renderMarkdown`.' },
    ],
  },
  {
    path: 'lib/learner/option-types.ts',
    title: 'Learners: `createLearner`',
    imports: {
      '../batch/option-types.js': ['RowOptions'],
      '../foundation/contract.js': ['Parameters'],
      '../meta/algorithm.js': ['Algorithm'],
      '../meta/outer-update.js': ['Optimizer'],
      '../model/model.js': ['Model'],
    },
    types: [
      { name: 'LearnerOptions', table: LEARNER_OPTIONS, doc: 'Options of `createLearner`.' },
      { name: 'EstimateOptions', table: ESTIMATE_OPTIONS, doc: 'Options of `estimateTraining`.' },
      { name: 'AddingOptions', table: ADDING_OPTIONS, doc: 'Options of `learner.addItemsAsync` and `addUsersAsync`.' },
      { name: 'CreatingOptions', table: CREATING_OPTIONS, doc: 'Options of `createLearnerAsync`.' },
    ],
  },
  {
    path: 'lib/training/option-types.ts',
    title: 'Training: `train`, `fit`',
    imports: {
      '../batch/option-types.js': ['HideIds'],
      '../evaluation/metric.js': ['CustomMetric'],
      '../evaluation/option-types.js': ['Candidates'],
      '../foundation/contract.js': ['Dataset', 'TaskSet'],
      '../foundation/process-group.js': ['ProcessGroup'],
      '../foundation/task-source-types.js': ['TaskSource'],
      '../learner/learner.js': ['Learner'],
      '../meta/algorithm.js': ['Algorithm'],
      '../tasks/option-types.js': ['SplitOptions', 'SupportSize'],
      '../tasks/split.js': ['Split'],
      './train.js': ['EpochReport'],
    },
    types: [
      {
        name: 'TaskSampling',
        kind: TASK_SAMPLING,
        doc: 'How an epoch’s tasks are drawn; an epoch has as many draws as there are tasks. `uniform`: every task once. `size`: by rows. `loss`: hard tasks more often (curriculum by loss, as in prioritised replay, Schaul et al. 2016); the first epoch is uniform. `stratified`: every value of a categorical or bag column (see `taskGroups`) gets the same share of the draws, however many tasks it has, and within a value all tasks the same.',
      },
      { name: 'TrainOptions', table: TRAIN_OPTIONS, doc: 'Options of `train`.' },
      { name: 'TrainStepOptions', table: TRAIN_STEP_OPTIONS, doc: 'Options of `trainStep`.' },
      { name: 'FitOptions', table: FIT_OPTIONS, doc: 'Options of `fit`.' },
    ],
  },
  {
    path: 'lib/scenarios/option-types.ts',
    title: 'Scenarios: `fewShot`, `coldStart`, `interestDrift` …',
    imports: {
      '../baselines/baseline.js': ['Baseline'],
      '../foundation/contract.js': ['TaskSet'],
      '../learner/learner.js': ['Learner'],
      '../tasks/option-types.js': ['TaskOptions'],
      '../training/option-types.js': ['TrainOptions'],
    },
    types: [
      { name: 'FewShotOptions', table: FEW_SHOT_OPTIONS, doc: 'Options of `fewShot`.' },
      { name: 'PartitionOptions', table: PARTITION_OPTIONS, doc: 'Options of `coldStart`.' },
      { name: 'DriftOptions', table: DRIFT_OPTIONS, doc: 'Options of `interestDrift`.' },
      { name: 'CrossDomainOptions', table: CROSS_DOMAIN_OPTIONS, doc: 'Options of `crossDomain`.' },
      { name: 'NegativeTransferOptions', table: NEGATIVE_TRANSFER_OPTIONS, doc: 'Options of `negativeTransfer`.' },
      { name: 'ShrinkageOptions', table: SHRINKAGE_OPTIONS, doc: 'Options of `fitShrinkage`.' },
      { name: 'AlignmentOptions', table: ALIGNMENT_OPTIONS, doc: 'Options of `gradientAlignment`.' },
      { name: 'EvidenceOptions', table: EVIDENCE_OPTIONS, doc: 'Options of `evidenceCandidates`.' },
      { name: 'AskFirstOptions', table: ASK_FIRST_OPTIONS, doc: 'Options of `askFirst`.' },
    ],
  },
  {
    path: 'lib/report/option-types.ts',
    title: 'Reports: `writeReport`',
    imports: {},
    types: [{ name: 'ReportOptions', table: REPORT_OPTIONS, doc: 'Options of `writeReport`.' }],
  },
  {
    path: 'lib/tune/option-types.ts',
    title: 'A search over settings: `tune`',
    imports: {
      '../foundation/process-group.js': ['ProcessGroup'],
      './options.js': ['TuneRun'],
      './space.js': ['Setting'],
    },
    types: [{ name: 'TuneOptions', table: TUNE_OPTIONS, doc: 'Options of `tune`.' }],
  },
  {
    path: 'lib/distributed/option-types.ts',
    title: 'Several processes: `joinProcesses`',
    imports: {},
    types: [{ name: 'JoinOptions', table: JOIN_OPTIONS, doc: 'Options of `joinProcesses`.' }],
  },
  {
    path: 'lib/service/option-types.ts',
    title: 'The service: `serve` of `innerloop/service`',
    imports: {},
    types: [{ name: 'ServeOptions', table: SERVE_OPTIONS, doc: 'Options of `serve`.' }],
  },
];
