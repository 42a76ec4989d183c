/** `innerloop demo`: meta-trains on the bundled MovieLens data and recommends for someone new. */
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { packageRoot } from '../foundation/addon.js';
import { invalid } from '../foundation/check.js';
import type { Dataset } from '../foundation/contract.js';
import { readConfig } from './config.js';
import type { Console } from './output.js';
import { DEFAULT_COUNT, parseRatings, readRatings, recommend, Titles } from './recommend.js';
import type { Rating } from './recommend.js';
import { outputFolder, runTraining } from './train.js';

/** Someone who likes space and adventure, and not crime. */
const EXAMPLE = ['260=5', '1196=5', '2571=4.5', '1198=4', '296=1.5'];
/** Films with fewer ratings are not recommended: there is little to judge them by, and they are hard to find. */
const MIN_RATINGS = 20;
/** Films to ask for at a terminal. */
const QUESTIONS = 5;

export async function runDemo(run: {
  ratings: string[];
  output: string | undefined;
  threads: number | undefined;
  console: Console;
  signal: AbortSignal;
}): Promise<void> {
  const { console, signal, threads } = run;
  readRatings(run.ratings); // before training, what can be said before
  const path = join(packageRoot(), 'data', 'demo.json');
  const config = await readConfig(path);
  if (threads !== undefined) config.threads = threads;
  console.note('Meta-training on MovieLens latest-small: every user is a task, new users are held out.');
  const { prepared, learner } = await runTraining({
    config,
    output: run.output ?? outputFolder(config, path),
    start: 'fresh',
    console,
    signal,
  });
  const { dataset } = prepared;
  const counts = new Int32Array(dataset.items.rows);
  for (const item of dataset.item) counts[item]++;
  const titles = new Titles(dataset.items, undefined, counts);
  let ratings = parseRatings(run.ratings, titles);
  if (ratings.length === 0 && process.stdin.isTTY === true && process.stdout.isTTY === true)
    ratings = await ask(dataset, counts, titles, signal);
  if (ratings.length === 0) {
    console.note(
      `No ratings given: an example instead. Yours: npm start -- ${EXAMPLE.slice(0, 2).join(' ')} "Toy Story=4"`,
    );
    ratings = parseRatings(EXAMPLE, titles);
  }
  checkScale(ratings, dataset);
  const among = dataset.items.keys.values.filter((_, row) => row > 0 && counts[row] >= MIN_RATINGS);
  const heading = `Recommended, of the ${among.length} films with at least ${MIN_RATINGS} ratings:`;
  await recommend({ learner, ratings, count: DEFAULT_COUNT, among, heading, titles, console, signal });
}

/** Asks for the films with the most ratings; Enter skips one. */
async function ask(dataset: Dataset, counts: Int32Array, titles: Titles, signal: AbortSignal): Promise<Rating[]> {
  const rows = Int32Array.from(counts, (_, row) => row).sort((a, b) => counts[b] - counts[a] || a - b);
  const [low, high] = scale(dataset);
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  // In a prompt Ctrl-C and Ctrl-D are the prompt's: the one is an interrupt as ever, the other ends the questions.
  prompt.on('SIGINT', () => process.emit('SIGINT'));
  const closed = new Promise<undefined>((done) => prompt.once('close', () => done(undefined)));
  const ratings: Rating[] = [];
  process.stdout.write(`\nRate these films from ${low} to ${high}; Enter skips one.\n`);
  try {
    for (const row of rows.subarray(0, QUESTIONS)) {
      const item = dataset.items.keys.values[row];
      for (;;) {
        const line = await Promise.race([prompt.question(`  ${titles.of(item) ?? item}: `, { signal }), closed]);
        if (line === undefined) return ratings;
        const answer = line.trim();
        if (answer === '') break;
        const value = Number(answer.replace(',', '.'));
        if (value >= low && value <= high) {
          ratings.push({ item, value });
          break;
        }
        process.stdout.write(`  a number from ${low} to ${high}, please\n`);
      }
    }
  } finally {
    prompt.close();
  }
  return ratings;
}

function checkScale(ratings: Rating[], dataset: Dataset): void {
  const [low, high] = scale(dataset);
  for (const { item, value } of ratings) {
    if (value < low || value > high)
      throw invalid(`rating ${item}`, 'not on the scale', value, `a number from ${low} to ${high}`);
  }
}

function scale({ label }: Dataset): [number, number] {
  return [label.reduce((a, b) => Math.min(a, b)), label.reduce((a, b) => Math.max(a, b))];
}
