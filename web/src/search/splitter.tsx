/** The line between list and map: dragged, or moved by the arrow keys; its place is remembered. */

import { useEffect, useState } from "preact/hooks";
import { remember, remembered, useWords } from "../words";

const LEAST = 24;
const MOST = 76;

export function Splitter({ moved }: { moved: () => void }) {
  const { t, direction } = useWords();
  const [share, setShare] = useState(() => clamp(Number(remembered("geoglot.split") ?? 47)));
  useEffect(() => {
    document.documentElement.style.setProperty("--split", `${share}%`);
    remember("geoglot.split", String(share));
    moved();
  }, [share, moved]);
  return (
    <div
      class="splitter"
      role="separator"
      tabIndex={0}
      aria-orientation="vertical"
      aria-label={t("splitter")}
      aria-valuenow={Math.round(share)}
      aria-valuemin={LEAST}
      aria-valuemax={MOST}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
        const { left, width } = (event.currentTarget.parentElement as HTMLElement).getBoundingClientRect();
        const at = ((event.clientX - left) / width) * 100;
        setShare(clamp(direction === "rtl" ? 100 - at : at));
      }}
      onKeyDown={(event) => {
        const by = { ArrowRight: 2, ArrowLeft: -2 }[event.key];
        if (!by) return;
        event.preventDefault();
        event.stopPropagation();
        setShare(clamp(share + (direction === "rtl" ? -by : by)));
      }}
    />
  );
}

function clamp(share: number): number {
  return Number.isFinite(share) ? Math.max(LEAST, Math.min(MOST, share)) : 47;
}
