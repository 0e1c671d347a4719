/**
 * What the API says, asked again and again while somebody looks. The next question is asked when the last one was answered, so that a busy supernode
 * never has two of them; an answer to a question that nobody asks any more is dropped.
 */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ask, Refused } from './api.ts';
import { answered, lost } from './link.ts';

const REST_MS = 2_000;

export type Polled<T> = {
  readonly data: T | undefined;
  /** Of `data`. Milliseconds since 1970. */
  readonly at: number;
  /** Why there is none, when the supernode says no. */
  readonly refusal: string | undefined;
  /** Asks now. */
  readonly refresh: () => void;
};

export function usePolled<T>(path: string): Polled<T> {
  const [state, setState] = useState<Omit<Polled<T>, 'refresh'>>({ data: undefined, at: 0, refusal: undefined });
  const now = useRef<() => void>(() => undefined);
  useEffect(() => {
    let timer = 0;
    let last = 0;
    let live = true;
    const next = async (): Promise<void> => {
      clearTimeout(timer);
      const mine = ++last;
      const isMine = () => live && mine === last;
      try {
        const data = await ask<T>(path);
        if (isMine()) setState({ data, at: Date.now(), refusal: undefined });
        answered();
      } catch (error) {
        if (!isMine()) return;
        if (error instanceof Refused) {
          answered();
          setState((before) => ({ ...before, refusal: error.message }));
        } else lost();
      }
      if (isMine() && document.visibilityState === 'visible') timer = setTimeout(next, REST_MS);
    };
    const look = () => {
      if (document.visibilityState === 'visible') void next();
    };
    now.current = look;
    document.addEventListener('visibilitychange', look);
    void next();
    return () => {
      live = false;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, [path]);
  return { ...state, refresh: useCallback(() => now.current(), []) };
}

/** Milliseconds since 1970, new every second: for what ticks. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
