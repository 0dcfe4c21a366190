/** The address as state: what is shown follows it, and every change of it can be undone by the back button. */

import { useEffect, useState } from "preact/hooks";
import { type Route, readRoute } from "../address/route";

const listeners = new Set<() => void>();
const tell = () => {
  for (const listener of listeners) listener();
};
window.addEventListener("popstate", tell);
window.addEventListener("hashchange", tell);

/** Go to an address of this page; `replace` leaves no step to go back to. */
export function go(hash: string, replace = false): void {
  if (hash === window.location.hash) return;
  if (replace) window.history.replaceState(null, "", hash);
  else window.history.pushState(null, "", hash);
  tell();
}

export function useRoute(): Route {
  const [hash, setHash] = useState(window.location.hash);
  useEffect(() => {
    const hear = () => setHash(window.location.hash);
    listeners.add(hear);
    hear();
    return () => void listeners.delete(hear);
  }, []);
  return readRoute(hash);
}
