/** Light or dark: what the system says, unless the reader has chosen. */

import { useEffect, useState } from "preact/hooks";
import { remember, remembered } from "../words";

export type Theme = "auto" | "light" | "dark";

const system = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function chosen(): Theme {
  const theme = remembered("geoglot.theme");
  return theme === "light" || theme === "dark" ? theme : "auto";
}

function apply(): void {
  const theme = chosen();
  document.documentElement.dataset.theme = theme === "auto" ? (system.matches ? "dark" : "light") : theme;
  for (const listener of listeners) listener();
}

export function startTheme(): void {
  apply();
  system.addEventListener("change", apply);
}

export function setTheme(theme: Theme): void {
  remember("geoglot.theme", theme === "auto" ? null : theme);
  apply();
}

export function useTheme(): { dark: boolean } {
  const now = () => document.documentElement.dataset.theme === "dark";
  const [dark, setDark] = useState(now());
  useEffect(() => {
    const hear = () => setDark(now());
    listeners.add(hear);
    return () => void listeners.delete(hear);
  }, []);
  return { dark };
}
