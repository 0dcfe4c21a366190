/** Asking the service, page after page; a newer question makes an older one void. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { asksSomething, PAGE_LENGTH, type SearchState, searchKey, toRequest } from "../address/search_state";
import { ServiceError, search } from "../service/client";
import type { Hit, SearchAnswer } from "../service/types";

export interface Found {
  readonly key: string;
  readonly answer: SearchAnswer;
  readonly hits: readonly Hit[];
  readonly complete: boolean;
}

export interface Searching {
  readonly found: Found | null;
  readonly busy: boolean;
  readonly error: ServiceError | null;
  readonly more: () => void;
  readonly retry: () => void;
}

/** The most hits that the service lists. */
const MOST = 500;

export function useSearch(state: SearchState): Searching {
  const key = searchKey(state);
  const [found, setFound] = useState<Found | null>(null);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<ServiceError | null>(null);
  const [round, setRound] = useState(0);
  const loadingMore = useRef(false);
  const asked = asksSomething(state);

  // the key says all of the state that matters; asked at once, not after the next frame
  useLayoutEffect(() => {
    const stop = new AbortController();
    setError(null);
    loadingMore.current = false;
    if (!asked) {
      setFound(null);
      setBusy(false);
      return;
    }
    setBusy(true);
    search(toRequest(state), stop.signal)
      .then((answer) => {
        setFound({ key, answer, hits: answer.hits, complete: isComplete(answer.hits.length, answer) });
        setBusy(false);
      })
      .catch((cause: unknown) => {
        if (stop.signal.aborted) return;
        setBusy(false);
        setFound(null);
        setError(cause instanceof ServiceError ? cause : new ServiceError({ title: String(cause) }, 0));
      });
    return () => stop.abort();
  }, [key, asked, round]);

  const more = () => {
    if (!found || found.complete || found.key !== key || loadingMore.current) return;
    loadingMore.current = true;
    const offset = found.hits.length;
    search(toRequest(state, offset, Math.min(PAGE_LENGTH, MOST - offset)))
      .then((answer) =>
        setFound((now) => {
          if (!now || now.key !== key || now.hits.length !== offset) return now;
          const known = new Set(now.hits.map((hit) => hit.id));
          const fresh = answer.hits.filter((hit) => !known.has(hit.id));
          const hits = [...now.hits, ...fresh];
          return { ...now, hits, complete: fresh.length === 0 || isComplete(hits.length, answer) };
        }),
      )
      .catch(() => setFound((now) => (now ? { ...now, complete: true } : now)))
      .finally(() => {
        loadingMore.current = false;
      });
  };
  return { found, busy, error, more, retry: () => setRound(round + 1) };
}

function isComplete(count: number, answer: SearchAnswer): boolean {
  return count >= MOST || answer.hits.length < Math.min(PAGE_LENGTH, answer.total) || count >= answer.total;
}
