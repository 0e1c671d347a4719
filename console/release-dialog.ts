/** Lets a host give again. It is asked for: rows move while one looks, and what was held against it is gone then. */
import type { HostView } from '../src/protocol/api-views.ts';
import { order } from './api.ts';
import { Dialog } from './dialog.ts';
import { nameOf } from './host-table.ts';
import { html, type View } from './html.ts';
import { reasonText } from './words.ts';

type Props = { readonly host: HostView; readonly done: (words: string) => void; readonly close: () => void };

export function ReleaseDialog({ host, done, close }: Props): View {
  const { note, reason } = host;
  const act = async () => {
    await order(`v1/hosts/${encodeURIComponent(host.id)}/release`, {});
    done(`${nameOf(host)} is released.`);
  };
  return html`<${Dialog} title=${`Release ${nameOf(host)}`} verb="Release" act=${act} close=${close}>
    ${reason !== undefined && html`<p class="held">${reasonText(reason)}${note === undefined ? '' : html`: <q>${note}</q>`}</p>`}
    <p>It gives again at once, as if nothing had ever been held against it, at all supernodes of the cluster.</p>
  <//>`;
}
