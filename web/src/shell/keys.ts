/** Single-key shortcuts of a screen. They rest while the user types, and can be turned off. */

import { useEffect, useRef } from "preact/hooks";
import { remember, remembered } from "../words";

export type Shortcuts = Record<string, (event: KeyboardEvent) => void>;

export const shortcutsOn = () => remembered("geoglot.shortcuts") !== "off";
export const setShortcuts = (on: boolean) => remember("geoglot.shortcuts", on ? null : "off");

export function useShortcuts(shortcuts: Shortcuts): void {
  const current = useRef(shortcuts);
  current.current = shortcuts;
  useEffect(() => {
    const hear = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (event.key !== "Escape" && (isTyping(event.target) || !shortcutsOn())) return;
      if (document.querySelector("dialog[open]")) return;
      const act = current.current[event.key] ?? current.current[event.key.toLowerCase()];
      if (!act) return;
      event.preventDefault();
      act(event);
    };
    window.addEventListener("keydown", hear);
    return () => window.removeEventListener("keydown", hear);
  }, []);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable ||
    ["TEXTAREA", "SELECT"].includes(target.tagName) ||
    (target instanceof HTMLInputElement && !["checkbox", "radio", "range", "button"].includes(target.type))
  );
}
