/** What is wrong, in a command, a configuration, data or files: exit code, place, and what was expected. */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { test } from 'tap';
import {
  config,
  fails,
  folder,
  model,
  ok,
  output,
  part,
  trained,
  trainedConfig,
  written,
} from '../fixtures/small-run.js';
import type { Json } from '../fixtures/small-run.js';

// Some refusals are of ratings and files given to a trained model.
ok('train', '-c', trainedConfig, '-o', trained);

test('commands and options that do not exist: exit code 2 and a suggestion', async () => {
  fails(2, /unknown command 'trian'[^]*Did you mean train\?/, 'trian');
  fails(2, /unknown option '--confg'[^]*Did you mean --config\?/, 'train', '--confg', 'x');
  fails(2, /required option '-c, --config <file>'/, 'train');
  fails(2, /'--epochs <n>'[^]*'none' is invalid[^]*integer ≥ 1/, 'train', '-c', trainedConfig, '--epochs', 'none');
  fails(2, /--resume and --fresh exclude each other/, 'train', '-c', trainedConfig, '--resume', '--fresh');
});

test('a configuration that is wrong: exit code 2, its path, its value and what was expected', async () => {
  const train = (path: string) => ['train', '-c', path, '-o', output()];
  const cases: [RegExp, (value: Json) => void][] = [
    [/UNKNOWN_OPTION trainig: no such option; did you mean training\?/, (c) => (c['trainig'] = {})],
    [/UNKNOWN_OPTION algorithm\.step: no such option; did you mean steps\?/, (c) => (part(c, 'algorithm')['step'] = 3)],
    [/UNKNOWN_OPTION split\.tasks\.mim: .*did you mean min\?/, (c) => (part(part(c, 'split'), 'tasks')['mim'] = 3)],
    [
      /UNKNOWN_OPTION split\.tasks\.query\.frction: .*fraction/,
      (c) => (part(part(c, 'split'), 'tasks')['query'] = { frction: 0.5 }),
    ],
    [
      /UNKNOWN_OPTION data\.items\.features\[1\]\.sepratr: .*did you mean separator\?/,
      (c) => ((part(part(c, 'data'), 'items')['features'] as Json[])[1]['sepratr'] = ';'),
    ],
    [
      /INVALID_OPTION algorithm\.name: not one of the choices; did you mean maml\?; got "mamal"; expected one of maml, fomaml, anil, reptile, ridge/,
      (c) => (part(c, 'algorithm')['name'] = 'mamal'),
    ],
    [
      /INVALID_OPTION algorithm\.steps: .*got "five"; expected an integer/,
      (c) => (part(c, 'algorithm')['steps'] = 'five'),
    ],
    [/INVALID_OPTION training\.epochs: .*got 0; expected an integer ≥ 1/, (c) => (part(c, 'training')['epochs'] = 0)],
    [/INVALID_OPTION training\.epochs: .*got 1\.5; expected an integer/, (c) => (part(c, 'training')['epochs'] = 1.5)],
    [/INVALID_OPTION model\.hidden: missing/, (c) => (part(c, 'model')['hidden'] = undefined)],
    [
      /INVALID_OPTION model\.hidden: stands beside model\.body/,
      (c) => (part(c, 'model')['body'] = { kind: 'mlp', hidden: [4] }),
    ],
    [/INVALID_OPTION model\.body\.kind: .*did you mean mlp\?/, (c) => (part(c, 'model')['body'] = { kind: 'mpl' })],
    [
      /UNKNOWN_OPTION model\.body\.hiden: .*did you mean hidden\?/,
      (c) => (part(c, 'model')['body'] = { kind: 'mlp', hiden: [4] }),
    ],
    [
      /UNKNOWN_OPTION evaluation\.sets: no such set; did you mean test\?/,
      (c) => (part(c, 'evaluation')['sets'] = ['tset']),
    ],
    [
      /INVALID_OPTION model\.activation: .*did you mean relu\?.*one of relu, tanh/,
      (c) => (part(c, 'model')['activation'] = 'rellu'),
    ],
    [
      /INVALID_OPTION model\.loss: .*did you mean mse\?; got "mes"; expected one of mse, bce, bpr, listwise, or an object with the fields softmax/,
      (c) => (part(c, 'model')['loss'] = 'mes'),
    ],
    [
      /INVALID_OPTION evaluation\.baselines\[0\]: .*did you mean itemMean\?/,
      (c) => (part(c, 'evaluation')['baselines'] = ['itemMeen']),
    ],
    [
      /UNKNOWN_OPTION evaluation\.metrics\[0\]: no such metric; did you mean mae\?; got "mea"/,
      (c) => (part(c, 'evaluation')['metrics'] = ['mea']),
    ],
    [/INVALID_OPTION split: missing/, (c) => (c['split'] = undefined)],
    [
      /UNKNOWN_OPTION training\.validation: no such set; did you mean validation\?/,
      (c) => (part(c, 'training')['validation'] = 'validaton'),
    ],
    [
      /INVALID_OPTION evaluation\.calibration: needs validation tasks/,
      (c) => {
        part(c, 'split')['validation'] = undefined;
        part(c, 'evaluation')['calibration'] = true;
      },
    ],
  ];
  for (const [pattern, change] of cases) fails(2, pattern, ...train(config(change)));
  fails(2, /MISSING_FILE .*nowhere\.json: no such file/, 'train', '-c', 'nowhere.json');
  fails(2, /INVALID_OPTION .*config-\d+\.json: not JSON/, ...train(written('{ "data": ')));
  fails(2, /INVALID_OPTION config: .*expected an object/, ...train(written('[]')));
});

test('data that is wrong: exit code 1 and the place', async () => {
  const withRatings = (text: string) => {
    const path = `${output()}.csv`;
    fs.writeFileSync(path, text);
    return config((c) => (part(part(c, 'data'), 'interactions')['from'] = path));
  };
  const train = (path: string) => ['train', '-c', path, '-o', output()];
  fails(
    1,
    /MISSING_FILE .*nothing\.csv/,
    ...train(config((c) => (part(part(c, 'data'), 'interactions')['from'] = 'nothing.csv'))),
  );
  fails(
    1,
    /MISSING_COLUMN data\.interactions\.label: .*did you mean "stars"/,
    ...train(config((c) => (part(part(c, 'data'), 'interactions')['label'] = 'star'))),
  );
  fails(
    1,
    /MISSING_COLUMN model\.inputs\[0\]\.name: no such column; did you mean item\?/,
    ...train(config((c) => (part(c, 'model')['inputs'] = [{ name: 'itm', dim: 4 }]))),
  );
  fails(1, /EMPTY_DATA/, ...train(withRatings('who,what,stars,at\n')));
  fails(1, /INVALID_DATA .*good/, ...train(withRatings('who,what,stars,at\nu1,i1,5,1\nu1,i2,good,2\n')));
  fails(1, /EMPTY_DATA .*/, ...train(config((c) => (part(part(c, 'split'), 'tasks')['min'] = 500))));
  fails(1, /INVALID_DATA .*does not fit the loss bce/, ...train(config((c) => (part(c, 'model')['loss'] = 'bce'))));
});

test('files that cannot be read or written: exit code 1 and their names', async () => {
  const file = join(folder, 'a-file');
  fs.writeFileSync(file, 'not a folder');
  fails(1, /IO .*a-file/, 'train', '-c', trainedConfig, '-o', join(file, 'below'));
  fails(1, /MISSING_FILE .*nothing\.safetensors/, 'recommend', '-m', 'nothing.safetensors', 'i1=5');
  fails(1, /MODEL_FILE .*a-file/, 'recommend', '-m', file, 'i1=5');
  fails(1, /MODEL_FILE .*a-file/, 'evaluate', '-m', file, '-c', trainedConfig);
  fails(
    2,
    /UNKNOWN_OPTION sets: no such set; did you mean test\?/,
    'evaluate',
    '-m',
    model,
    '-c',
    trainedConfig,
    '-s',
    'tset',
  );
});

test('ratings that are wrong: exit code 2 and what a rating looks like', async () => {
  fails(2, /INVALID_OPTION rating: not a rating; got "i1"; expected item=number/, 'recommend', '-m', model, 'i1');
  fails(2, /INVALID_OPTION rating: not a rating; got "i1=good"/, 'recommend', '-m', model, 'i1=good');
  fails(2, /INVALID_OPTION rating: not a rating; got "i1="/, 'recommend', '-m', model, 'i1=');
  fails(2, /INVALID_OPTION rating: no such item in the catalog; got "zzz"/, 'recommend', '-m', model, 'zzz=3');
  fails(2, /INVALID_OPTION rating: rated twice/, 'recommend', '-m', model, 'i1=3', 'i1=4');
  fails(
    2,
    /INVALID_OPTION title: not a categorical feature.*one of title, kind/,
    'recommend',
    '-m',
    model,
    '-t',
    'name',
    'i1=3',
  );
  fails(2, /'0' is invalid/, 'recommend', '-m', model, '-n', '0', 'i1=3');
});
