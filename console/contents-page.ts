/** What the supernode knows of contents: what is on its way comes first, then what most hosts have. */
import type { TaskListView, TaskState, TaskView } from '../src/protocol/api-views.ts';
import { withQuery } from './api.ts';
import { type Filter, Filters, LeftOut, MOST_ROWS, Search } from './finding.ts';
import { html, type View } from './html.ts';
import { usePolled } from './polling.ts';
import type { Route } from './route.ts';
import { countText, sizeText, TASK_STATES } from './words.ts';

function filtersOf(list: TaskListView | undefined): readonly Filter[] {
  const counts = list?.counts;
  const all = counts === undefined ? undefined : counts.filling + counts.complete + counts.broken;
  const one = (value: TaskState): Filter => ({ value, label: TASK_STATES[value], count: counts?.[value] });
  return [{ value: '', label: 'all', count: all }, one('filling'), one('broken'), one('complete')];
}

type Props = { readonly route: Route; readonly go: (change: Partial<Route>) => void };

export function ContentsPage({ route: { state, search }, go }: Props): View {
  const { data, refusal } = usePolled<TaskListView>(withQuery('v1/tasks', { limit: MOST_ROWS, state, search }));
  return html`<div class="finding">
      <${Filters} filters=${filtersOf(data)} chosen=${state} choose=${(value: string) => go({ state: value })} />
      <${Search} value=${search} hint="Part of a URL or an id" search=${(words: string) => go({ search: words })} />
    </div>
    ${refusal !== undefined && html`<p class="refusal" role="alert">${refusal}</p>`}
    ${data === undefined && html`<p class="empty">Asking the supernode …</p>`}
    ${data !== undefined && data.tasks.length > 0 && html`<${TaskTable} tasks=${data.tasks} />`}
    ${data?.matched === 0 && html`<p class="empty">${search === '' && state === '' ? 'Nothing was downloaded lately.' : 'No content fits.'}</p>`}
    ${data !== undefined && html`<${LeftOut} matched=${data.matched} shown=${data.tasks.length} what="contents" />`}`;
}

function TaskTable({ tasks }: { readonly tasks: readonly TaskView[] }): View {
  return html`<table class="rows contents">
    <thead>
      <tr>
        <th scope="col">Content</th>
        <th scope="col">State</th>
        <th scope="col" class="amount">Length</th>
        <th scope="col">Pieces cached</th>
        <th scope="col" class="amount">Hosts</th>
      </tr>
    </thead>
    <tbody>
      ${tasks.map((task) => html`<${TaskRow} key=${task.content} task=${task} />`)}
    </tbody>
  </table>`;
}

function TaskRow({ task }: { readonly task: TaskView }): View {
  const { content, url, state, length, pieceSize, piecesCached, hosts } = task;
  const pieces = length === null ? null : Math.ceil(length / pieceSize);
  return html`<tr data-state=${state} data-content=${content}>
    <th scope="row"><span class="name url">${url}</span><span class="where"><code title=${content}>${content.slice(0, 16)}…</code></span></th>
    <td data-label="State"><span class="state" data-state=${state}>${TASK_STATES[state]}</span></td>
    <td data-label="Length" class="amount">${length === null ? 'not known yet' : sizeText(length)}</td>
    <td data-label="Pieces cached">
      ${pieces !== null && pieces > 0 && html`<progress max=${pieces} value=${piecesCached}></progress>`}
      ${countText(piecesCached)}${pieces === null ? '' : ` of ${countText(pieces)}`}
    </td>
    <td data-label="Hosts" class="amount">${hosts === 0 ? html`<span class="zero">0</span>` : countText(hosts)}</td>
  </tr>`;
}
