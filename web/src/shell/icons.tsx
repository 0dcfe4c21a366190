/** Line icons, drawn for this page on a grid of 24. */

const PATHS = {
  search: "M10.500 4a6.500 6.500 0 1 0 0 13 6.500 6.500 0 0 0 0-13ZM15.500 15.500 20 20",
  picture: "M4 5h16v14H4zM4 16l4.500-4.500L13 16l3-3 4 4M15.500 9.500h.01",
  pick: "M12 3v4M12 17v4M3 12h4M17 12h4M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6Z",
  open: "M4 7V5h5l2 2h9v12H4zM4 10h16",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  box: "M5 6h14v12H5zM5 6h.01M19 6h.01M5 18h.01M19 18h.01",
  polygon: "M5 9l7-5 7 5-2.500 10h-9z",
  calendar: "M5 6h14v14H5zM5 10h14M9 4v4M15 4v4",
  layers: "M12 4l8 4.500-8 4.500-8-4.500zM4 13l8 4.500 8-4.500",
  ruler: "M4 15 15 4l5 5L9 20zM8 11l2 2M11 8l2 2M14 11l.01 0",
  quote: "M5 6h14v10h-8l-4 4v-4H5zM9 11h6",
  similar: "M4 4h10v10H4zM10 10h10v10H10z",
  help: "M9 9a3 3 0 1 1 4 2.800c-.700.300-1 .900-1 1.700v.500M12 17.500h.01",
  why: "M12 4a6 6 0 0 0-3.500 10.900V17h7v-2.100A6 6 0 0 0 12 4ZM9.500 20h5",
  segment: "M6 7l6-3 6 4-1 8-6 4-6-5zM6 7l5 5 7-4M11 12v8",
  zoom: "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5",
  check: "M5 12.500l4.500 4.500L19 7.500",
  cross: "M7 7l10 10M17 7 7 17",
  copy: "M9 9h10v11H9zM6 15H5V4h10v2",
  link: "M10 14l4-4M8.500 11.500 6 14a3.500 3.500 0 0 0 5 5l2.500-2.500M15.500 12.500 18 10a3.500 3.500 0 0 0-5-5l-2.500 2.500",
  terminal: "M4 5h16v14H4zM7.500 9.500 10 12l-2.500 2.500M12.500 15h4",
  download: "M12 4v11M7.500 11l4.500 4.500 4.500-4.500M5 20h14",
  save: "M5 5h11l3 3v11H5zM8 5v5h7V5M8 19v-5h8v5",
  scene: "M4 6l5-2 6 2 5-2v14l-5 2-6-2-5 2zM9 4v14M15 6v14",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 3v1.500M12 19.500V21M3 12h1.500M19.500 12H21M5.600 5.600l1 1M17.400 17.400l1 1M18.400 5.600l-1 1M6.600 17.400l-1 1",
  moon: "M19 14.500A7.500 7.500 0 0 1 9.500 5 7.500 7.500 0 1 0 19 14.500Z",
  again: "M19 12a7 7 0 1 1-2.200-5.100M19 4v4h-4",
  down: "M7 10l5 5 5-5",
  map: "M9 5 4 7v12l5-2 6 2 5-2V5l-5 2zM9 5v12M15 7v12",
  grid: "M5 5h6v6H5zM13 5h6v6h-6zM5 13h6v6H5zM13 13h6v6h-6z",
  folder: "M4 6h6l2 2h8v11H4z",
  swipe: "M12 4v16M8 9l-3 3 3 3M16 9l3 3-3 3",
  flame: "M12 4c1 3 5 5 5 9.500a5 5 0 0 1-10 0c0-2 1-3 2-4 .300 1.500 1 2 1.500 2C10.500 9 10 6.500 12 4Z",
  trash: "M5 7h14M10 7V5h4v2M7 7l1 13h8l1-13",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.8"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}

export function Mark() {
  return (
    <svg
      class="mark"
      width="26"
      height="26"
      viewBox="0 0 32 32"
      aria-hidden="true"
      fill="none"
      stroke="currentColor"
      stroke-width="2.4"
    >
      <path stroke-linecap="round" d="M5 11V5h6M21 5h6v6M27 21v6h-6M11 27H5v-6" />
      <circle cx="16" cy="16" r="4.600" />
    </svg>
  );
}
