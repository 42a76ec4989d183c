/**
 * What a service does in an hour, without the waiting: users come by the hundred, rate one film more, ask for a list, are written to
 * a store and read back, and are forgotten, the longest unseen first.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { IntervalHistogram } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import type { Learner, PersonalModel, PersonalModelJson } from '../lib/index.js';
import { random } from '../lib/foundation/random.js';
import { servedLearner } from './served-learner.js';

export interface ServiceOptions {
  /** Users that come. */
  users: number;
  /** Users that are held at a time. */
  held: number;
  /** Called ten times, at equal distances. */
  report?: (progress: Progress) => void;
}

export interface Progress {
  users: number;
  updates: number;
  lists: number;
  evicted: number;
  /** Megabytes of the process, and of native memory that V8 is told of. */
  rss: number;
  external: number;
}

export interface ServiceResult {
  /** After every tenth of the users. */
  progress: Progress[];
  /** Milliseconds by which turns of the event loop came late. */
  delay: { p50: number; p90: number; p99: number; p999: number; max: number };
  histogram: IntervalHistogram;
}

const ITEMS = 20_000;
/** Users who are adapted to in one call. */
const AT_ONCE = 100;
/** Requests between two turns of the event loop. */
const REQUESTS = 10;
const MB = 2 ** 20;

/** The model that the loop asks. */
export const loopLearner = (): Promise<Learner> => servedLearner(ITEMS, 2, 'bench.service');

export async function serve(learner: Learner, { users, held, report }: ServiceOptions): Promise<ServiceResult> {
  const stream = random(2, 'bench.service');
  const item = () => String(stream.below(ITEMS));
  const rating = () => 1 + stream.below(5);
  const people = new Map<number, PersonalModel>();
  const store = new Map<number, string>();
  const counts = { users: 0, updates: 0, lists: 0, evicted: 0 };
  const progress: Progress[] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  while (counts.users < users) {
    const first = counts.users;
    const size = Math.min(AT_ONCE, users - first);
    const supports = Array.from({ length: size }, () => {
      const items = Array.from({ length: 1 + stream.below(20) }, item);
      return { items, labels: items.map(rating) };
    });
    const arrived = await learner.adaptMany(supports);
    arrived.forEach((me, u) => people.set(first + u, me));
    counts.users += size;
    for (let request = 0; request < size; request++) {
      if (request % REQUESTS === 0) await turn();
      const user = counts.users - 1 - stream.below(Math.min(counts.users, people.size));
      const me = people.get(user) ?? learner.restore(JSON.parse(store.get(user)!) as PersonalModelJson);
      const updated = await me.update(item(), rating());
      counts.updates++;
      me.dispose();
      people.set(user, updated);
      store.delete(user);
      if (request % 20 === 0) counts.lists += (await updated.recommend({ count: 10 })).length === 10 ? 1 : 0;
    }
    // The longest unseen: one in ten to the store, the others for good.
    for (const [user, me] of people) {
      if (people.size <= held) break;
      if (user % 10 === 0) store.set(user, JSON.stringify(me));
      me.dispose();
      people.delete(user);
      counts.evicted++;
    }
    for (const user of store.keys()) {
      if (store.size <= held) break;
      store.delete(user);
    }
    if (progress.length < Math.floor((10 * counts.users) / users)) {
      const { rss, external } = process.memoryUsage();
      progress.push({ ...counts, rss: rss / MB, external: external / MB });
      report?.(progress[progress.length - 1]);
    }
  }
  delay.disable();
  const at = (percent: number) => delay.percentile(percent) / 1e6;
  return {
    progress,
    delay: { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: delay.max / 1e6 },
    histogram: delay,
  };
}
