/** One row per host: who, how far it is trusted, why, for how long, and what can be done about it. */
import type { HostView } from '../src/protocol/api-views.ts';
import { html, type View } from './html.ts';
import { useNow } from './polling.ts';
import { countText, HOST_STATES, numberOf, reasonText, timeLeftText } from './words.ts';

/** What the operator wants of a host; it is asked for more in a dialog. */
export type HostOrder = { readonly type: 'isolate' | 'release'; readonly host: HostView };

type TableProps = {
  readonly hosts: readonly HostView[];
  /** When this was told. Milliseconds since 1970. */
  readonly at: number;
  readonly order: (order: HostOrder) => void;
};

export function HostTable({ hosts, at, order }: TableProps): View | null {
  const now = useNow();
  if (hosts.length === 0) return null;
  return html`<table class="rows hosts">
    <thead>
      <tr>
        <th scope="col">Host</th>
        <th scope="col">State</th>
        <th scope="col">Why</th>
        <th scope="col">Time left</th>
        <th scope="col" class="amount">Score</th>
        <th scope="col" class="amount">Downloads</th>
        <th scope="col" class="amount">Contents</th>
        <th scope="col"><span class="unseen">Orders</span></th>
      </tr>
    </thead>
    <tbody>
      ${hosts.map((host) => html`<${HostRow} key=${host.id} host=${host} sinceMs=${Math.max(0, now - at)} order=${order} />`)}
    </tbody>
  </table>`;
}

type RowProps = { readonly host: HostView; readonly sinceMs: number; readonly order: TableProps['order'] };

function HostRow({ host, sinceMs, order }: RowProps): View {
  const { state, score, witnesses, secondsLeft, connected } = host;
  const left = secondsLeft === undefined ? '' : timeLeftText(secondsLeft, sinceMs);
  return html`<tr data-state=${state} data-host=${host.id}>
    <th scope="row"><${Who} host=${host} /></th>
    <td data-label="State"><${States} host=${host} /></td>
    <td data-label="Why" class="why"><${Why} host=${host} /></td>
    <td data-label="Time left" class="left">${left}</td>
    <td data-label="Score" class="amount" title=${`${numberOf(witnesses, 'witness', 'witnesses')}`}>
      ${score === 0 ? html`<span class="zero">0</span>` : score}
    </td>
    <td data-label="Downloads" class="amount">${connected && html`<${Amount} value=${host.downloads} />`}</td>
    <td data-label="Contents" class="amount">${connected && html`<${Amount} value=${host.contents} />`}</td>
    <td class="orders">
      ${mayRelease(host) && html`<button type="button" aria-label=${`Release ${nameOf(host)}`} onClick=${() => order({ type: 'release', host })}>Release …</button>`}
      ${
        state !== 'isolated' &&
        html`<button type="button" class="grave" aria-label=${`Isolate ${nameOf(host)}`} onClick=${() => order({ type: 'isolate', host })}>Isolate …</button>`
      }
    </td>
  </tr>`;
}

/** Something is held against it. */
function mayRelease({ state, score, excluded }: HostView): boolean {
  return state !== 'ok' || score > 0 || excluded !== undefined;
}

function Amount({ value }: { readonly value: number }): View {
  return value === 0 ? html`<span class="zero">0</span>` : html`<span>${countText(value)}</span>`;
}

export function nameOf(host: HostView): string {
  return host.connected ? host.name : host.id;
}

function Who({ host }: { readonly host: HostView }): View {
  if (!host.connected) return html`<span class="name">${host.id}</span><span class="where">not here now</span>`;
  const { id, name, ip, port, site } = host;
  const place = [site.idc, site.location.replaceAll('|', ' / ')].filter((part) => part !== '').join(' / ');
  return html`<span class="name" title=${id}>${name}</span>
    <span class="where"
      ><code>${ip.includes(':') ? `[${ip}]` : ip}:${port}</code>${place === '' ? '' : html` <span class="place">${place}</span>`}</span
    >`;
}

function States({ host }: { readonly host: HostView }): View {
  const { state, connected } = host;
  return html`<span class="state" data-state=${state}>${HOST_STATES[state]}</span>
    ${!connected && html`<span class="tag">away</span>`}
    ${connected && host.silent && html`<span class="tag" title="It is busy, and nothing is heard of it">silent</span>`}`;
}

function Why({ host: { state, reason, note, by, excluded } }: { readonly host: HostView }): View {
  return html`${state === 'limited' && html`<span>fails now and then</span>`}
    ${reason !== undefined && html`<span title=${reason}>${reasonText(reason)}</span>`}
    ${note !== undefined && html`<q>${note}</q>`}
    ${by !== undefined && html`<span class="by">told by ${by}</span>`}
    ${
      excluded !== undefined &&
      html`<span title=${excluded.join('\n')}>gives nothing of ${numberOf(excluded.length, 'content')}</span>`
    }`;
}
