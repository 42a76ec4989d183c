/** Options of the command. */
import { nearest } from '../lib/foundation/errors.js';
import { CASES, CONTENDERS, MEASUREMENTS } from './matrix.js';

export interface Options {
  /** Turns of every contender. */
  rounds: number;
  /** Seconds of timing in each trial. */
  seconds: number;
  cases: Set<string>;
  contenders: Set<string>;
  measurements: Set<string>;
  /** A built checkout or a result file that `models` is compared with. */
  against: string | undefined;
  /** No peer of `models`. */
  alone: boolean;
  install: boolean;
  json: boolean;
}

const DEFAULT_ROUNDS = 5;
const DEFAULT_SECONDS = 0.6;
const QUICK = { rounds: 2, seconds: 0.25 };

const HELP = `npm run bench -- [options]

  --quick              ${QUICK.rounds} rounds of ${QUICK.seconds} s instead of ${DEFAULT_ROUNDS} of ${DEFAULT_SECONDS} s; no whole run
  --only <names>       cases, contenders and measurements by name, separated by commas; a trailing * matches any rest
  --rounds <n>         turns of every contender
  --seconds <s>        timing of each trial
  --against <path>     a built checkout, or a result file of this benchmark, to compare the measurement "models" with
  --alone              the measurement "models" without its peers
  --install            install the Node.js peers into bench/node_modules first (about 310 MB)
  --json               the results as JSON on stdout, nothing else
  --help

  cases         ${CASES.map(({ name }) => name).join(' ')}
  contenders    ${CONTENDERS.map(({ name }) => name).join(' ')}
  measurements  ${MEASUREMENTS.join(' ')}

Python peers run in $PYTHON, python3 or /usr/bin/python3: the first one that has what they need.
`;

class UsageError extends Error {}

export function parseOptions(args: readonly string[]): Options {
  try {
    return parse(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`bench: ${error.message}\n`);
    process.exit(2);
  }
}

function parse(args: readonly string[]): Options {
  const names = ['--quick', '--only', '--rounds', '--seconds', '--against', '--alone', '--install', '--json', '--help'];
  const given = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const [name, inline] = args[i].split(/=(.*)/s) as [string, string?];
    if (!names.includes(name)) {
      const near = nearest(name, names);
      throw new UsageError(`no such option ${name}${near === undefined ? '' : `; did you mean ${near}?`}`);
    }
    const takesValue = ['--only', '--rounds', '--seconds', '--against'].includes(name);
    if (!takesValue && inline !== undefined) throw new UsageError(`${name} takes no value`);
    const value = takesValue ? (inline ?? args[++i]) : '';
    if (value === undefined) throw new UsageError(`${name} needs a value`);
    given.set(name, name === '--only' && given.has(name) ? `${given.get(name)},${value}` : value);
  }
  if (given.has('--help')) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const quick = given.has('--quick');
  const number = (name: string, fallback: number, isWhole: boolean) => {
    const text = given.get(name);
    if (text === undefined) return fallback;
    const value = Number(text);
    if (!(value > 0 && value < 1e6) || (isWhole && !Number.isInteger(value)))
      throw new UsageError(`${name}: not a positive ${isWhole ? 'integer' : 'number'}: ${text}`);
    return value;
  };
  const options = {
    rounds: number('--rounds', quick ? QUICK.rounds : DEFAULT_ROUNDS, true),
    seconds: number('--seconds', quick ? QUICK.seconds : DEFAULT_SECONDS, false),
    against: given.get('--against'),
    alone: given.has('--alone'),
    install: given.has('--install'),
    json: given.has('--json'),
  };
  const all = {
    cases: CASES.map(({ name }) => name),
    contenders: CONTENDERS.map(({ name }) => name),
    measurements: MEASUREMENTS.filter((name) => !(quick && name === 'ml-1m')) as string[],
  };
  const only = given
    .get('--only')
    ?.split(',')
    .map((name) => name.trim());
  if (only === undefined)
    return {
      ...options,
      cases: new Set(all.cases),
      contenders: new Set(all.contenders),
      measurements: new Set(all.measurements),
    };

  const known = [...all.cases, ...all.contenders, ...MEASUREMENTS];
  const picked = new Set(
    only.flatMap((name) => {
      const found = known.filter((k) => (name.endsWith('*') ? k.startsWith(name.slice(0, -1)) : k === name));
      if (found.length > 0) return found;
      const near = nearest(name, known);
      throw new UsageError(
        `--only: no case, contender or measurement ${name}${near === undefined ? '' : `; did you mean ${near}?`}`,
      );
    }),
  );
  const pick = (names: readonly string[]) => new Set(names.filter((name) => picked.has(name)));
  const [cases, contenders, measurements] = [pick(all.cases), pick(all.contenders), pick(MEASUREMENTS)];
  // Naming only cases means all contenders, and the other way round.
  const isMatrix = cases.size + contenders.size > 0;
  return {
    ...options,
    cases: isMatrix && cases.size === 0 ? new Set(all.cases) : cases,
    contenders: isMatrix && contenders.size === 0 ? new Set(all.contenders) : contenders,
    measurements,
  };
}
