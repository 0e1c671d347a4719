/** Takes a host out of scheduling: why, and for how long. */
import { useRef, useState } from 'preact/hooks';
import type { HostView } from '../src/protocol/api-views.ts';
import { order, Refused } from './api.ts';
import { Dialog } from './dialog.ts';
import { nameOf } from './host-table.ts';
import { html, type View } from './html.ts';
import { durationText, parseTime } from './words.ts';

const TIMES = ['10m', '1h', '8h', '1d', '7d'] as const;

type Props = { readonly host: HostView; readonly done: (words: string) => void; readonly close: () => void };

export function IsolateDialog({ host, done, close }: Props): View {
  const [time, setTime] = useState('');
  const reason = useRef<HTMLInputElement>(null);
  const seconds = parseTime(time);
  const act = async () => {
    if (seconds === undefined) throw new Refused('This is no time; write 30m, 8h, 2d, or nothing.');
    const body = { reason: reason.current?.value.trim() ?? '', ...(seconds === null ? {} : { seconds }) };
    await order(`v1/hosts/${encodeURIComponent(host.id)}/isolate`, body);
    done(`${nameOf(host)} is isolated ${seconds === null ? 'until it is released' : `for ${durationText(seconds)}`}.`);
  };
  return html`<${Dialog} title=${`Isolate ${nameOf(host)}`} verb="Isolate" grave=${true} act=${act} close=${close}>
    <p>It gives nothing to anybody then, and goes on downloading. All supernodes of the cluster are told.</p>
    <label>
      Why
      <input name="reason" ref=${reason} required maxlength="200" pattern=".*\\S.*" autocomplete="off" placeholder="its disk makes noises" />
    </label>
    <label>
      For how long
      <input
        name="time"
        value=${time}
        placeholder="until it is released"
        autocomplete="off"
        aria-describedby="time-hint"
        aria-invalid=${seconds === undefined ? 'true' : undefined}
        onInput=${(event: InputEvent) => setTime((event.target as HTMLInputElement).value)}
      />
    </label>
    <div class="times" role="group" aria-label="Usual times">
      ${TIMES.map((each) => html`<button key=${each} type="button" aria-pressed=${each === time ? 'true' : 'false'} onClick=${() => setTime(each)}>${each}</button>`)}
      <button type="button" aria-pressed=${time === '' ? 'true' : 'false'} onClick=${() => setTime('')}>until released</button>
    </div>
    <p class="hint" id="time-hint">30m, 8h, 2d, 1h 30m. After its time it is on probation.</p>
  <//>`;
}
