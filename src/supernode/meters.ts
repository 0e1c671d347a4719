/**
 * Every meter of the supernode: its name, what it means, and where it is read. Labels are few by nature (a state, a reason) or bounded here:
 * of hosts only isolated ones have series, and not more than so many. No URL, no path and no header is ever a label.
 */
import type { Tally } from '../base/tally.ts';
import type { Meter, Sample } from '../io/metrics.ts';
import type { CountedHost } from './host-census.ts';
import { type MeterState, secondsLeft } from './meter-state.ts';

/** Isolated hosts that have series of their own; `…_isolations_unlisted` says how many have not. */
export const MAX_LISTED = 100;

const ISOLATED_LABELS = ['host', 'name', 'reason', 'by'] as const;

function* by(label: string, numbers: Iterable<readonly [string, number]>): Generator<Sample> {
  for (const [key, value] of numbers) yield { labels: { [label]: key }, value };
}

function* byDecision(label: string, tallies: Readonly<Record<string, Tally<string>>>): Generator<Sample> {
  for (const [decided, tally] of Object.entries(tallies))
    for (const [key, value] of tally) yield { labels: { [label]: key, decided }, value };
}

/** Series of isolated hosts, as many as may be. */
function* ofIsolated({ isolated }: MeterState, value: (host: CountedHost) => number | undefined): Generator<Sample> {
  for (const host of isolated.slice(0, MAX_LISTED)) {
    const shown = value(host);
    if (shown === undefined) continue;
    const { id, record, standing } = host;
    const name = record?.description.name ?? '';
    yield {
      labels: { host: id, name: oneLine(name), reason: standing.reason ?? '', by: standing.by ?? '' },
      value: shown,
    };
  }
}

/** A host calls itself what it likes; not every reader of the format goes on after a control character. */
function oneLine(name: string): string {
  return name.replace(/\p{Cc}/gu, '\uFFFD');
}

/** How often each occurs. */
function tallied<Item>(items: Iterable<Item>, keyOf: (item: Item) => string, keys: readonly string[]) {
  const counts = new Map(keys.map((key) => [key, 0]));
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}

const HOSTS: readonly Meter<MeterState>[] = [
  {
    name: 'dragonfly_supernode_hosts',
    help: 'Hosts with a session, by how far each is trusted as a parent.',
    type: 'gauge',
    labels: ['state'],
    read: ({ counts: { ok, limited, isolated, probation } }) =>
      by('state', Object.entries({ ok, limited, isolated, probation })),
  },
  {
    name: 'dragonfly_supernode_hosts_silent',
    help: 'Hosts that are busy and of which nothing is heard.',
    type: 'gauge',
    read: ({ counts }) => counts.silent,
  },
  {
    name: 'dragonfly_supernode_hosts_excluding',
    help: 'Hosts that give nothing of some content because they gave wrong bytes of it, or are said to have.',
    type: 'gauge',
    read: ({ counts }) => counts.excluding,
  },
  {
    name: 'dragonfly_supernode_hosts_isolated_away',
    help: 'Isolated hosts without a session.',
    type: 'gauge',
    read: ({ counts }) => counts.isolatedAway,
  },
  {
    name: 'dragonfly_supernode_host_isolated',
    help: `1 for each isolated host, here or away; by = the other supernode that isolated it. ${MAX_LISTED} hosts at most.`,
    type: 'gauge',
    labels: ISOLATED_LABELS,
    read: (state) => ofIsolated(state, () => 1),
  },
  {
    name: 'dragonfly_supernode_host_isolation_seconds_left',
    help: 'Until an isolated host is on probation. Hosts that are isolated until somebody releases them have none.',
    type: 'gauge',
    labels: ISOLATED_LABELS,
    read: (state) => ofIsolated(state, (host) => (Number.isFinite(secondsLeft(host)) ? secondsLeft(host) : undefined)),
  },
  {
    name: 'dragonfly_supernode_host_isolations_unlisted',
    help: 'Isolated hosts that have no series of their own because there are too many.',
    type: 'gauge',
    read: ({ isolated }) => Math.max(0, isolated.length - MAX_LISTED),
  },
  {
    name: 'dragonfly_supernode_isolations_total',
    help: 'Hosts that were isolated, by reason and by whether it was decided here or told by another supernode.',
    type: 'counter',
    labels: ['reason', 'decided'],
    read: ({ tally }) => byDecision('reason', tally.isolations),
  },
  {
    name: 'dragonfly_supernode_releases_total',
    help: 'Hosts that were let back: proved on probation, refuted accusations, or an operator.',
    type: 'counter',
    labels: ['why', 'decided'],
    read: ({ tally }) => byDecision('why', tally.releases),
  },
  {
    name: 'dragonfly_supernode_exclusions_total',
    help: 'Hosts that were taken out of one content because they gave wrong bytes of it, or are said to have.',
    type: 'counter',
    read: ({ tally }) => tally.exclusions,
  },
  {
    name: 'dragonfly_supernode_piece_checks_total',
    help: 'Pieces of accused hosts that the supernode looked at itself, by what it found.',
    type: 'counter',
    labels: ['outcome'],
    read: ({ tally }) => by('outcome', tally.checks),
  },
  {
    name: 'dragonfly_supernode_sessions',
    help: 'Open sessions, those included that have not said yet which host they are.',
    type: 'gauge',
    read: ({ sessions }) => sessions(),
  },
  {
    name: 'dragonfly_supernode_downloads',
    help: 'Downloads that run, over all hosts.',
    type: 'gauge',
    read: ({ downloads }) => downloads(),
  },
  {
    name: 'dragonfly_supernode_swarms',
    help: 'Contents that hosts give each other.',
    type: 'gauge',
    read: ({ swarms }) => swarms(),
  },
];

const CONTENTS: readonly Meter<MeterState>[] = [
  {
    name: 'dragonfly_supernode_contents',
    help: 'Contents in memory, by state.',
    type: 'gauge',
    labels: ['state'],
    read: ({ tasks }) => by('state', Object.entries(tasks)),
  },
  {
    name: 'dragonfly_supernode_cached_contents',
    help: 'Contents on disk, whole or in part.',
    type: 'gauge',
    read: ({ cached }) => cached.contents,
  },
  {
    name: 'dragonfly_supernode_cached_pieces',
    help: 'Pieces on disk.',
    type: 'gauge',
    read: ({ cached }) => cached.pieces,
  },
  {
    name: 'dragonfly_supernode_cached_bytes',
    help: 'Bytes of these pieces.',
    type: 'gauge',
    read: ({ cached }) => cached.bytes,
  },
  {
    name: 'dragonfly_supernode_preheats',
    help: 'Preheats that are known, by state.',
    type: 'gauge',
    labels: ['state'],
    read: ({ preheats }) =>
      by(
        'state',
        tallied(preheats.list, ({ state }) => state, ['waiting', 'running', 'done', 'failed', 'stopped']),
      ),
  },
];

const BYTES: readonly Meter<MeterState>[] = [
  {
    name: 'dragonfly_supernode_source_read_bytes_total',
    help: 'Bytes of contents that were read from sources.',
    type: 'counter',
    read: ({ traffic }) => traffic.sourceBytes,
  },
  {
    name: 'dragonfly_supernode_source_answers_total',
    help: 'Answers of sources: a body, that the content is unchanged, or a fault.',
    type: 'counter',
    labels: ['answer'],
    read: ({ traffic }) => by('answer', traffic.sourceAnswers),
  },
  {
    name: 'dragonfly_supernode_sent_bytes_total',
    help: 'Bytes of contents that were sent to hosts: as pieces, as first pieces with their assignment, and inside of the answer that opens a small content.',
    type: 'counter',
    labels: ['as'],
    read: ({ sending, firstPieceBytes, traffic }) =>
      by(
        'as',
        Object.entries({ piece: sending().bytesSent, 'first-piece': firstPieceBytes(), answer: traffic.inlineBytes }),
      ),
  },
  {
    name: 'dragonfly_supernode_piece_requests',
    help: 'Requests at the piece server that are being answered, and that wait for their turn.',
    type: 'gauge',
    labels: ['state'],
    read: ({ sending }) => {
      const { sending: running, waiting } = sending();
      return by('state', Object.entries({ sending: running, waiting }));
    },
  },
];

const ITSELF: readonly Meter<MeterState>[] = [
  {
    name: 'dragonfly_supernode_build_info',
    help: 'Always 1; the version of the program.',
    type: 'gauge',
    labels: ['version'],
    read: ({ version }) => [{ labels: { version }, value: 1 }],
  },
  {
    name: 'dragonfly_supernode_members',
    help: 'Supernodes of the cluster, this one included, by state.',
    type: 'gauge',
    labels: ['state'],
    read: ({ members }) =>
      by(
        'state',
        tallied(members(), ({ state }) => state, ['up', 'draining']),
      ),
  },
  {
    name: 'dragonfly_supernode_redis_up',
    help: '1 when Redis answers, else 0; absent where there is no cluster.',
    type: 'gauge',
    read: ({ redis }) => {
      const health = redis();
      return health === undefined ? undefined : Number(health.up);
    },
  },
];

export const METERS: readonly Meter<MeterState>[] = [...HOSTS, ...CONTENTS, ...BYTES, ...ITSELF];
