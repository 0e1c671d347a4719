/** What lists have in common: filters with their numbers, a search field, and how many rows are not shown. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { html, type View } from './html.ts';
import { countText } from './words.ts';

/** Rows that are asked for and shown. */
export const MOST_ROWS = 200;
/** Between two letters nobody wants an answer. */
const TYPING_MS = 200;

export type Filter = {
  readonly value: string;
  readonly label: string;
  readonly count: number | undefined;
  readonly title?: string;
};

type FiltersProps = {
  readonly filters: readonly Filter[];
  readonly chosen: string;
  readonly choose: (value: string) => void;
};

export function Filters({ filters, chosen, choose }: FiltersProps): View {
  return html`<div class="filters" role="group" aria-label="Filter by state">
    ${filters.map(
      ({ value, label, count, title }) =>
        html`<button
          key=${value}
          type="button"
          class=${count === 0 ? 'filter none' : 'filter'}
          data-state=${value}
          title=${title}
          aria-pressed=${value === chosen ? 'true' : 'false'}
          onClick=${() => choose(value)}
        >
          ${label} <span class="number">${count === undefined ? '–' : countText(count)}</span>
        </button>`,
    )}
  </div>`;
}

type SearchProps = { readonly value: string; readonly hint: string; readonly search: (words: string) => void };

/** `/` goes there, Escape empties it. */
export function Search({ value, hint, search }: SearchProps): View {
  const [text, setText] = useState(value);
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef(0);
  const later = (words: string) => {
    setText(words);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => search(words), TYPING_MS);
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const isElsewhere = event.target instanceof HTMLInputElement || document.querySelector('dialog[open]') !== null;
      if (event.key !== '/' || isElsewhere || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      field.current?.focus();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
  return html`<input
    class="search"
    type="search"
    ref=${field}
    value=${text}
    placeholder=${hint}
    aria-label=${hint}
    title="/ brings you here"
    maxlength="200"
    spellcheck=${false}
    onInput=${(event: InputEvent) => later((event.target as HTMLInputElement).value)}
    onKeyDown=${(event: KeyboardEvent) => event.key === 'Escape' && later('')}
  />`;
}

type LeftOutProps = { readonly matched: number; readonly shown: number; readonly what: string };

/** Nothing is left out in silence. */
export function LeftOut({ matched, shown, what }: LeftOutProps): View | null {
  if (matched <= shown) return null;
  return html`<p class="left-out">
    The first ${countText(shown)} of ${countText(matched)} ${what}; <strong>${countText(matched - shown)} more</strong> are not shown.
    Filter or search to see them.
  </p>`;
}
