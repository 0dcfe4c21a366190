/** A button with a panel under it; Escape and a click elsewhere close it and give the focus back. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon, type IconName } from "./icons";

interface Props {
  label: ComponentChildren;
  icon?: IconName;
  name?: string;
  kind?: string;
  /** At which end of the button the panel is aligned. */
  end?: boolean;
  active?: boolean;
  children: (close: () => void) => ComponentChildren;
}

export function Menu({ label, icon, name, kind = "pill", end = false, active = false, children }: Props) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const close = () => {
    if (root.current?.contains(document.activeElement)) button.current?.focus();
    setOpen(false);
  };
  useEffect(() => {
    if (!open) return;
    keepInside(panel.current);
    const first = panel.current?.querySelector<HTMLElement>("input, select, button, textarea, a[href]");
    first?.focus();
    const outside = (event: PointerEvent) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  }, [open]);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only listens for Escape from the controls within
    <div
      class="menu"
      ref={root}
      onKeyDown={(event) => {
        if (event.key === "Escape" && open) {
          event.stopPropagation();
          close();
        }
      }}
    >
      <button
        type="button"
        ref={button}
        class={`${kind}${active ? " active" : ""}`}
        aria-expanded={open}
        aria-label={name}
        title={name}
        onClick={() => setOpen(!open)}
      >
        {icon && <Icon name={icon} size={16} />}
        {label}
      </button>
      {open && (
        <div class={`panel${end ? " end" : ""}`} ref={panel}>
          {children(close)}
        </div>
      )}
    </div>
  );
}

/** Shift a panel that would leave the window. */
function keepInside(panel: HTMLElement | null): void {
  if (!panel) return;
  const { left, right } = panel.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const shift = left < 8 ? 8 - left : right > width - 8 ? width - 8 - right : 0;
  if (shift) panel.style.transform = `translateX(${shift}px)`;
}
