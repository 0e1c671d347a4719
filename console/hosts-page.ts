/** All hosts, those with trouble first, and the operator's two orders. */
import { useEffect, useState } from 'preact/hooks';
import type { HostFilter, HostListView } from '../src/protocol/api-views.ts';
import { withQuery } from './api.ts';
import { type Filter, Filters, LeftOut, MOST_ROWS, Search } from './finding.ts';
import { type HostOrder, HostTable } from './host-table.ts';
import { html, type View } from './html.ts';
import { IsolateDialog } from './isolate-dialog.ts';
import { usePolled } from './polling.ts';
import { ReleaseDialog } from './release-dialog.ts';
import type { Route } from './route.ts';
import { HOST_STATES } from './words.ts';

/** How long it is said what an order came to. */
const SAID_MS = 6_000;

const TITLES: Readonly<Record<HostFilter, string>> = {
  isolated: 'They give nothing to anybody',
  probation: 'They give one piece at a time until three were good',
  limited: 'They fail now and then, and give a quarter of what they could',
  silent: 'They are busy, and nothing is heard of them',
  excluding: 'They give nothing of some content, because they gave wrong bytes of it or are said to have',
  ok: 'Nothing is held against them',
};

function filtersOf(list: HostListView | undefined): readonly Filter[] {
  const counts = list?.counts;
  const isolated = counts === undefined ? undefined : counts.isolated + counts.isolatedAway;
  const all = counts === undefined ? undefined : counts.connected + counts.isolatedAway;
  const one = (value: HostFilter, count: number | undefined): Filter => {
    return { value, label: HOST_STATES[value], count, title: TITLES[value] };
  };
  return [
    { value: '', label: 'all', count: all },
    one('isolated', isolated),
    one('probation', counts?.probation),
    one('limited', counts?.limited),
    one('silent', counts?.silent),
    one('excluding', counts?.excluding),
    one('ok', counts?.ok),
  ];
}

type Props = { readonly route: Route; readonly go: (change: Partial<Route>) => void };

export function HostsPage({ route: { state, search }, go }: Props): View {
  const polled = usePolled<HostListView>(withQuery('v1/hosts', { limit: MOST_ROWS, state, search }));
  const { data, at, refusal, refresh } = polled;
  const [ordered, order] = useState<HostOrder>();
  const [said, say] = useState('');
  useTitle(data);
  useEffect(() => {
    if (said === '') return;
    const timer = setTimeout(() => say(''), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const done = (words: string) => {
    order(undefined);
    say(words);
    refresh();
  };
  const close = () => order(undefined);
  return html`<div class="finding">
      <${Filters} filters=${filtersOf(data)} chosen=${state} choose=${(value: string) => go({ state: value })} />
      <${Search} value=${search} hint="Name, address, place or note" search=${(words: string) => go({ search: words })} />
    </div>
    ${refusal !== undefined && html`<p class="refusal" role="alert">${refusal}</p>`}
    ${data === undefined ? html`<p class="empty">Asking the supernode …</p>` : html`<${HostTable} hosts=${data.hosts} at=${at} order=${order} />`}
    ${data?.matched === 0 && html`<p class="empty">${nobodyText(data, state, search)}</p>`}
    ${data !== undefined && html`<${LeftOut} matched=${data.matched} shown=${data.hosts.length} what="hosts" />`}
    ${ordered?.type === 'isolate' && html`<${IsolateDialog} host=${ordered.host} done=${done} close=${close} />`}
    ${ordered?.type === 'release' && html`<${ReleaseDialog} host=${ordered.host} done=${done} close=${close} />`}
    <div class=${said === '' ? 'said' : 'said shown'} role="status">${said}</div>`;
}

function nobodyText({ counts }: HostListView, state: string, search: string): string {
  if (search !== '') return 'No host fits these words.';
  if (state !== '') return 'No host is in this state.';
  return counts.connected === 0
    ? 'No host is here yet. Agents appear as soon as they are started with this supernode.'
    : '';
}

/** Seen from another tab. */
function useTitle(list: HostListView | undefined): void {
  const isolated = list === undefined ? 0 : list.counts.isolated + list.counts.isolatedAway;
  useEffect(() => {
    document.title = isolated === 0 ? 'Dragonfly' : `(${isolated} isolated) Dragonfly`;
    return () => {
      document.title = 'Dragonfly';
    };
  }, [isolated]);
}
