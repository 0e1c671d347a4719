/** A question over the page: the browser's own dialog, which keeps the keyboard inside and gives it back. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Refused } from './api.ts';
import { html, type View } from './html.ts';

type Props = {
  readonly title: string;
  /** What the button says. */
  readonly verb: string;
  readonly grave?: boolean;
  /** Does it; what it rejects with is shown, and the dialog stays. */
  readonly act: () => Promise<void>;
  readonly close: () => void;
  readonly children?: ComponentChildren;
};

export function Dialog({ title, verb, grave = false, act, close, children }: Props): View {
  const dialog = useRef<HTMLDialogElement>(null);
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    setWrong('');
    act().catch((error: unknown) => {
      setBusy(false);
      setWrong(error instanceof Refused ? error.message : 'The supernode does not answer; nothing may have changed.');
    });
  };
  return html`<dialog ref=${dialog} aria-labelledby="dialog-title" onClose=${close}>
    <form onSubmit=${submit}>
      <h2 id="dialog-title">${title}</h2>
      ${children}
      <p class="wrong" role="alert">${wrong}</p>
      <div class="buttons">
        <button type="button" onClick=${() => dialog.current?.close()}>Cancel</button>
        <button type="submit" class=${grave ? 'main grave' : 'main'} disabled=${busy}>${verb}</button>
      </div>
    </form>
  </dialog>`;
}
