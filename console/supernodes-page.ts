/** The supernodes of the cluster, and how they know of each other. */
import type { ClusterView, RedisView } from '../src/protocol/api-views.ts';
import { html, type View } from './html.ts';
import { usePolled } from './polling.ts';

export function SupernodesPage(): View {
  const { data, refusal } = usePolled<ClusterView>('v1/cluster');
  if (data === undefined) return html`<p class="empty">${refusal ?? 'Asking the supernode …'}</p>`;
  return html`<${RedisState} redis=${data.redis} fresh=${data.fresh} /><${MemberTable} cluster=${data} />`;
}

function RedisState({ redis, fresh }: { readonly redis: RedisView; readonly fresh: boolean }): View {
  if (redis.state === 'none') return html`<p class="about">This supernode is alone: it has no cluster.</p>`;
  const since = new Date(redis.since).toLocaleString();
  return html`<p class="about">
    Redis <code>${redis.place}</code>${' '}
    <span class="state" data-state=${redis.state}>${redis.state}</span> since ${since}${redis.why === undefined ? '' : `: ${redis.why}`}.
    ${!fresh && html`${' '}<strong>The list is an old one</strong>, and is used as long as there is no newer.`}
  </p>`;
}

function MemberTable({ cluster: { members, self } }: { readonly cluster: ClusterView }): View {
  const sorted = members.toSorted((a, b) => (a.place < b.place ? -1 : 1));
  return html`<table class="rows members">
    <thead>
      <tr>
        <th scope="col">Supernode</th>
        <th scope="col">State</th>
        <th scope="col" class="amount">Weight</th>
        <th scope="col"><span class="unseen">Console</span></th>
      </tr>
    </thead>
    <tbody>
      ${sorted.map(
        ({ id, place, state, weight }) =>
          html`<tr key=${id} data-state=${state}>
            <th scope="row">
              <span class="name">${place}</span>${id === self.id && html`<span class="tag">this one</span>`}
              <span class="where"><code>${id}</code></span>
            </th>
            <td data-label="State"><span class="state" data-state=${state}>${state}</span></td>
            <td data-label="Weight" class="amount">${weight}</td>
            <td class="orders">${id !== self.id && html`<a href=${`http://${place}/console/`}>Its console</a>`}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;
}
