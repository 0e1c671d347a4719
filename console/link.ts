/** Whether the supernode answers: what each question found out, for the head of the page. */
import { useEffect, useState } from 'preact/hooks';

export type Link = {
  /** Milliseconds since 1970 of the first question without an answer since the last one that had one. */
  readonly lostAt: number | undefined;
  readonly answeredAt: number | undefined;
};

let link: Link = { lostAt: undefined, answeredAt: undefined };
const watchers = new Set<(link: Link) => void>();

function become(next: Link): void {
  link = next;
  for (const watcher of watchers) watcher(link);
}

export function answered(): void {
  become({ lostAt: undefined, answeredAt: Date.now() });
}

export function lost(): void {
  become({ ...link, lostAt: link.lostAt ?? Date.now() });
}

export function useLink(): Link {
  const [shown, show] = useState(link);
  useEffect(() => {
    watchers.add(show);
    return () => void watchers.delete(show);
  }, []);
  return shown;
}
