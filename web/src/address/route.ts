/** Which screen an address means. Everything lies in the fragment: nothing of it is sent to the service's log. */

export type Screen = "search" | "scene" | "archive" | "models";

export interface Route {
  readonly screen: Screen;
  /** The source of a scene. */
  readonly subject: string;
  readonly query: string;
}

const SCREENS: readonly string[] = ["search", "scene", "archive", "models"];

export function readRoute(hash: string): Route {
  const [path = "", query = ""] = split(hash.replace(/^#\/?/, ""));
  const [screen = "", subject = ""] = path.split("/");
  return {
    screen: SCREENS.includes(screen) && !(screen === "scene" && !subject) ? (screen as Screen) : "search",
    subject: decodeURIComponent(subject),
    query,
  };
}

export function writeRoute(screen: Screen, query = "", subject = ""): string {
  return `#/${screen}${subject ? `/${encodeURIComponent(subject)}` : ""}${query ? `?${query}` : ""}`;
}

function split(written: string): [string, string] {
  const mark = written.indexOf("?");
  return mark < 0 ? [written, ""] : [written.slice(0, mark), written.slice(mark + 1)];
}
