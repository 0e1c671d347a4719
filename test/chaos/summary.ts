/** What a run tells at its end. Its last line counts the checks as tests do. */
import { wrongDeeds } from '../support/faulty/fault.ts';
import type { Downloads } from './downloads.ts';
import type { Faults } from './faults.ts';
import type { Host } from './field.ts';
import type { Ledger } from './ledger.ts';
import { FAULT_KINDS } from './plan.ts';
import type { ChaosSettings } from './settings.ts';
import type { Watch } from './watch.ts';

export type Check = { readonly name: string; readonly failures: readonly string[] };

export type RunResult = {
  readonly settings: ChaosSettings;
  readonly seconds: number;
  readonly checks: readonly Check[];
  readonly downloads: Downloads;
  readonly faults: Faults;
  readonly ledger: Ledger;
  readonly watch: Watch;
  readonly hosts: readonly Host[];
  /** Before its time, by the user. */
  readonly stopped: boolean;
};

const MIB = 1024 * 1024;
const MAX_SHOWN = 10;

/** Prints it and returns the exit code. */
export function summarise(result: RunResult): number {
  const { settings, seconds, checks, stopped } = result;
  const { seed, minutes, supernodes, hosts } = settings;
  console.log(
    `\n== chaos: seed ${seed}, ${minutes} minutes asked, ${seconds.toFixed(0)} s in all, ${supernodes} supernode(s), ${hosts} hosts`,
  );
  tellFaults(result);
  tellDownloads(result);
  tellSource(result);
  console.log(
    `RSS at most: ${[...result.watch.peakMib].map(([kind, mib]) => `${kind} ${mib.toFixed(0)} MiB`).join(', ')}`,
  );
  const deeds = result.hosts.reduce((sum, { lies }) => sum + wrongDeeds(lies), 0);
  console.log(`wrong deeds of the misbehaving hosts (wrong bytes, silence, false witness): ${deeds}`);
  for (const { name, failures } of checks) {
    console.log(`${failures.length === 0 ? 'ok  ' : 'FAIL'} ${name}`);
    for (const failure of failures.slice(0, MAX_SHOWN)) console.log(`       ${failure}`);
    if (failures.length > MAX_SHOWN) console.log(`       and ${failures.length - MAX_SHOWN} more`);
  }
  const failed = checks.filter(({ failures }) => failures.length > 0).length;
  if (stopped) console.log('stopped before its time');
  else if (failed > 0)
    console.log(
      `again with: npm run chaos -- --minutes ${minutes} --seed ${seed} --supernodes ${supernodes} --hosts ${hosts} --keep`,
    );
  console.log(`${checks.length - failed} passed, ${failed} failed, 0 skipped`);
  return failed > 0 || stopped ? 1 : 0;
}

function tellFaults({ faults: { done, skipped, leftOut } }: RunResult): void {
  console.log('| fault | done | target was in trouble already | left out |\n|---|---|---|---|');
  for (const kind of FAULT_KINDS) {
    const row = [done, skipped, leftOut].map((map) => map.get(kind) ?? 0);
    if (row.some((count) => count > 0)) console.log(`| ${kind} | ${row.join(' | ')} |`);
  }
}

function tellDownloads({ downloads: { codes, ended, bytes, millis, failures } }: RunResult): void {
  const ways = [...codes].toSorted().map(([code, count]) => `${code}: ${count}`);
  console.log(`downloads: ${ended} (by exit code ${ways.join(', ')}), ${failures.length} without a cause`);
  const sums = Object.entries(bytes).map(([name, count]) => `${name} ${(count / MIB).toFixed(0)} MiB`);
  console.log(`bytes of those that ended well: ${sums.join(', ')}`);
  const sorted = millis.toSorted((a, b) => a - b);
  const at = (share: number) => ((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) / 1000).toFixed(1);
  console.log(`their times: median ${at(0.5)} s, 90 % ${at(0.9)} s, 99 % ${at(0.99)} s, worst ${at(1)} s`);
}

function tellSource({ ledger, downloads }: RunResult): void {
  const distinct = downloads.files.reduce((sum, { name }) => sum + ledger.known(name), 0);
  const ratio = distinct === 0 ? 1 : ledger.bytes / distinct;
  console.log(
    `source: ${ledger.gets} reads, ${mib(ledger.bytes)} MiB sent, ${mib(distinct)} MiB of ${downloads.files.length} files once = ${ratio.toFixed(3)}x; sent again because`,
  );
  for (const [cause, { bytes, reads }] of ledger.byCause())
    console.log(`  ${mib(bytes)} MiB in ${reads} reads: ${cause || 'WITHOUT A CAUSE'}`);
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
