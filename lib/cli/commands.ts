/** What the command line offers: commands, arguments and options, with the texts that --help shows. */
import { Command, Option } from 'commander';
import { packageVersion as version } from '../learner/manifest.js';
import { collect, CONFIG, device, integer, MODEL } from './arguments.js';
import { compare, tune } from './experiments.js';
import type { CommandContext, CompareArguments, TuneArguments } from './experiments.js';
import { PROTOCOLS } from './protocols.js';
import { addReadingFlags } from './reading-flags.js';
import { addServiceCommands } from './service-commands.js';

type Action = Parameters<Command['action']>[0];
type ActionName =
  | 'init'
  | 'inspect'
  | 'train'
  | 'shard'
  | 'scenario'
  | 'evaluate'
  | 'report'
  | 'recommend'
  | 'exportModel'
  | 'demo'
  | 'sinusoid'
  | 'bench'
  | 'doctor';

/** The commands with their arguments and options. @param context of the commands that are interrupted in order */
export function commands(actions: Record<ActionName, Action>, context: CommandContext): Command {
  const program = new Command('innerloop')
    .description('Meta-learning for recommenders: train, evaluate, recommend.')
    .version(version())
    .enablePositionalOptions()
    .showHelpAfterError('(innerloop help shows the commands)')
    .exitOverride();

  addReadingFlags(program.command('init'))
    .description('write a configuration for your files: columns are guessed from the whole files, and said')
    .argument('<ratings>', 'interactions: ratings, clicks, purchases')
    .argument('[tables...]', 'tables of items and of users')
    .option('-o, --output <file>', 'configuration to write (default: the name of the ratings, .json)')
    .option('-y, --yes', 'take every guess without asking')
    .option('--json', 'one JSON document on stdout')
    .action(actions.init);

  addReadingFlags(program.command('inspect'))
    .description(
      "what is understood of files, or of a configuration's data: sizes, times, labels, features, what is dropped",
    )
    .argument('[files...]', 'interactions, then tables of items and of users')
    .option(CONFIG, 'configuration, in place of files')
    .option('--threads <n>', 'threads to use', integer(1))
    .option('--json', 'one JSON document on stdout')
    .action(actions.inspect);

  program
    .command('train')
    .description('meta-train a model by a configuration file')
    .option(
      CONFIG,
      'configuration (JSON, with comments if you like, - for standard input; its schema: lib/cli/config.schema.json)',
    )
    .option('-o, --output <folder>', 'folder for the model and the results')
    .option('--resume', 'go on from the checkpoint of an interrupted run')
    .option('--fresh', 'start over, whatever the folder holds')
    .option('--epochs <n>', 'in place of training.epochs', integer(1))
    .option('--seed <n>', 'in place of seed', integer(0))
    .option('--threads <n>', 'threads to use; results do not depend on it', integer(1))
    .option('--device <name>', 'cpu, cuda or auto, in place of device', device)
    .option('--shards <folder>', 'train on what innerloop shard wrote there, in place of reading data')
    .option('--checkpoint-steps <n>', 'save the checkpoint after so many outer steps too', integer(1))
    .option('--ranks <n>', 'under mpirun: refuse another number of processes', integer(1))
    .option('--rank-timeout <s>', 'under mpirun: give a process up that does not answer (default: 60)', integer(1))
    .option('--json', 'JSON lines on stdout: one an epoch, then the result')
    .action(actions.train);

  program
    .command('shard')
    .description('divide the data of a configuration into tasks on disk, for training on more than memory holds')
    .option(CONFIG, 'configuration; its data and its split are what counts')
    .option('-o, --output <folder>', 'folder for the shards')
    .option('--memory <mb>', 'MiB that DuckDB may hold while it sorts (default: 1024)', integer(64))
    .option('--rows <n>', 'interactions of a shard (default: 1048576)', integer(1))
    .option('--temporary <folder>', 'for what DuckDB writes meanwhile (default: the folder of the shards)')
    .option('--fresh', 'write over shards that the folder holds')
    .option('--seed <n>', 'in place of seed', integer(0))
    .option('--threads <n>', 'threads to use; the shards do not depend on it', integer(1))
    .option('--json', 'one JSON document on stdout')
    .action(actions.shard);

  program
    .command('compare')
    .description('train many learners on the same tasks, beside baselines: one table of accuracy and cost')
    .option(CONFIG, 'configuration with learners; each overrides the rest of it')
    .option(
      '-o, --output <folder>',
      'folder for the table and the results of every run; runs that are done are not done again',
    )
    .option(
      '--tune <n>',
      'first try so many settings of each learner and baseline on the validation tasks of each split',
      integer(1),
    )
    .addOption(
      new Option(
        '--protocol <name>',
        'the split, tasks and metrics of a paper in place of those of the configuration, with what was published',
      ).choices(Object.keys(PROTOCOLS)),
    )
    .option('--seeds <n>', 'train every learner with so many seeds (default: those of the configuration)', integer(1))
    .option('--splits <n>', 'on so many splits, pooled (default: 1)', integer(1))
    .option('--jobs <n>', 'processes at a time; times are of a busy machine then (default: 1)', integer(1))
    .option('--only <names>', 'comma-separated learners of the configuration')
    .option('--fresh', 'run again what is done')
    .option('--epochs <n>', 'in place of training.epochs, for all learners', integer(1))
    .option('--threads <n>', 'threads to use; accuracy does not depend on it', integer(1))
    .option('--device <name>', 'cpu, cuda or auto, in place of device', device)
    .option('--json', 'JSON lines on stdout: one a run, then the comparison')
    .action((options: CompareArguments) => compare(options, context));

  program
    .command('tune')
    .description('choose options of all learners and baselines by validation tasks, each with the same budget')
    .option(CONFIG, 'configuration; its learners where it has some')
    .option('-o, --output <folder>', 'folder for what was tried and found; a search that was interrupted goes on')
    .option('--budget <n>', 'settings to try of each (default: 20)', integer(1))
    .option('--seeds <n>', 'train the settings of the last round with so many seeds (default: 1)', integer(1))
    .option('--splits <n>', 'on so many splits into training and validation tasks (default: 1)', integer(1))
    .option('--jobs <n>', 'processes at a time (default: half the hardware threads)', integer(1))
    .option('--only <names>', 'comma-separated learners of the configuration')
    .option('--fresh', 'begin the searches anew')
    .option('--epochs <n>', 'in place of training.epochs, for all learners', integer(1))
    .option('--threads <n>', 'threads of each process', integer(1))
    .option('--ranks <n>', 'under mpirun, whose processes share the search: refuse another number of them', integer(1))
    .option('--rank-timeout <s>', 'under mpirun: give a process up that does not answer (default: 60)', integer(1))
    .option('--json', 'JSON lines on stdout: one a trial, then the result')
    .action((options: TuneArguments) => tune(options, context));

  program
    .command('scenario')
    .description('play a scenario: cold-start, few-shot, drift, cross-domain, negative-transfer, evidence')
    .argument('<name>', 'the scenario')
    .option(CONFIG, 'configuration; its learners where it has some, and scenarios for options')
    .option('-o, --output <folder>', 'folder for tables and figures')
    .option('--only <names>', 'comma-separated learners of the configuration')
    .option('--epochs <n>', 'in place of training.epochs, for all learners', integer(1))
    .option('--threads <n>', 'threads to use; results do not depend on it', integer(1))
    .option('--device <name>', 'cpu, cuda or auto, in place of device', device)
    .option('--json', 'JSON lines on stdout: one an epoch, then the result')
    .action(actions.scenario);

  program
    .command('evaluate')
    .description('measure a saved model beside baselines')
    .option(MODEL, 'model.safetensors of a training run')
    .option(CONFIG, 'the configuration it was trained by')
    .option('-s, --sets <names>', 'comma-separated sets of the split (default: the test sets)')
    .option('--threads <n>', 'threads to use', integer(1))
    .option('--device <name>', 'cpu, cuda or auto, in place of device', device)
    .option('--json', 'one JSON document on stdout')
    .action(actions.evaluate);

  program
    .command('report')
    .description('write a page about a run: results, intervals, curves, configuration; its figures as SVG files')
    .argument('<run>', 'folder of a training run, such as runs/demo')
    .option('-o, --output <file>', 'HTML file (default: report.html in that folder)')
    .option('--json', 'one JSON document on stdout')
    .action(actions.report);

  program
    .command('recommend')
    .description('adapt a saved model to a few ratings and rank all items')
    .argument('[ratings...]', 'item=rating: an item id, or a part of a title')
    .option(MODEL, 'model.safetensors of a training run')
    .option('-r, --rating <item=rating>', 'the same, may be repeated', collect)
    .option(
      '--context <name=value>',
      'a feature of the interactions, where the model reads any; may be repeated; default: those of training',
      collect,
    )
    .option('-n, --count <n>', 'how many items (default: 10)', integer(1))
    .option('-t, --title <feature>', 'item feature that holds the title (default: title, if there is one)')
    .option('--json', 'one JSON document on stdout')
    .action(actions.recommend);

  program
    .command('export')
    .description(
      'write a saved model as an ONNX file: as it is, or adapted to a few ratings, with the catalog that it scores',
    )
    .argument('[ratings...]', 'item=rating: an item id, or a part of a title')
    .option(MODEL, 'model.safetensors of a training run')
    .option('-o, --output <file>', 'file to write, such as model.onnx')
    .option('-r, --rating <item=rating>', 'the same, may be repeated', collect)
    .option(
      '--context <name=value>',
      'a feature of the interactions, where the model reads any; may be repeated',
      collect,
    )
    .option('-t, --title <feature>', 'item feature that holds the title (default: title, if there is one)')
    .option('--json', 'one JSON document on stdout')
    .action(actions.exportModel);

  addServiceCommands(program, context);

  const demos = program
    .command('demo')
    .description('train on the bundled MovieLens data, compare with baselines, recommend for you')
    .argument('[ratings...]', 'item=rating, such as 1=5 or "Toy Story=5"')
    .option(
      '-o, --output <folder>',
      'folder for the model and the results (default: runs/demo; with --web runs/ml-latest-small)',
    )
    .option('--web', 'a page where you rate films and see the list change, in place of a list')
    .option('-p, --port <n>', 'of the page (default: 8080; 0: a free one)', integer(0))
    .option('--threads <n>', 'threads to use', integer(1))
    .option('--json', 'JSON lines on stdout')
    .action(actions.demo);
  demos
    .command('sinusoid')
    .description('the sinusoid regression of the MAML paper: 5 and 10 shots, under a minute')
    .option('--iterations <n>', 'outer steps of 25 tasks (default: 70000)', integer(1))
    .option('--seed <n>', 'of tasks and parameters (default: 1)', integer(0))
    .option('--json', 'one JSON document on stdout')
    .action(actions.sinusoid);

  program
    .command('bench')
    .description('measure what first and second order cost on this machine')
    .option(
      '--vary <factors>',
      'support, width, depth, steps, tasks, threads, comma-separated, or all (default: the base case only)',
    )
    .option('--adapt <names>', "what adapts: all (default), last, or names such as 'mlp.0.*', comma-separated")
    .option('--precision <name>', 'float32 (default) or float64')
    .option('--quick', 'few rounds: to see that it works')
    .option('--html <file>', 'write a page with charts: one file, no network')
    .option('--threads <n>', 'threads to use', integer(1))
    .option('--seed <n>', 'of data and parameters (default: 1)', integer(0))
    .option('--json', 'one JSON document on stdout')
    .action(actions.bench);

  program
    .command('doctor')
    .description('what this installation has: core, DuckDB, memory; and what to do where something lacks')
    .option('--json', 'one JSON document on stdout')
    .action(actions.doctor);
  return program;
}
