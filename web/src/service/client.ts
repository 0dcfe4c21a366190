/** One typed function per request. Nothing else in the page talks to the service. */

import type {
  ArchiveFacts,
  ExportFormat,
  ImageAnswer,
  Item,
  Job,
  JobKind,
  ModelCard,
  Problem,
  Scene,
  SearchAnswer,
  SearchRequest,
  SourcePage,
} from "./types";

/** What went wrong, as the service says it: with the remedy, where there is one. */
export class ServiceError extends Error {
  readonly status: number;
  readonly remedy: string;

  constructor(problem: Problem, status: number) {
    super(problem.detail ?? problem.title);
    this.name = "ServiceError";
    this.status = status;
    this.remedy = problem.remedy ?? "";
  }
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ServiceError({ title: "unreachable", detail: "unreachable" }, 0);
  }
  if (response.ok) return response;
  throw new ServiceError(await problemOf(response), response.status);
}

async function problemOf(response: Response): Promise<Problem> {
  const fallback: Problem = { title: response.statusText || String(response.status) };
  try {
    const said = (await response.json()) as Partial<Problem> | null;
    return said && typeof said === "object" ? { ...fallback, ...said } : fallback;
  } catch {
    return fallback;
  }
}

async function json<T>(path: string, init?: RequestInit): Promise<T> {
  return (await (await ask(path, init)).json()) as T;
}

function posted(body: unknown, signal?: AbortSignal): RequestInit {
  const init: RequestInit = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  return signal ? { ...init, signal } : init;
}

const given = (signal?: AbortSignal): RequestInit => (signal ? { signal } : {});

export const archiveFacts = (signal?: AbortSignal) => json<ArchiveFacts>("v1/archive", given(signal));

export const search = (request: SearchRequest, signal?: AbortSignal) =>
  json<SearchAnswer>("v1/search", posted(request, signal));

export const item = (id: string, signal?: AbortSignal) =>
  json<Item>(`v1/items/${encodeURIComponent(id)}`, given(signal));

export const sources = (query: Record<string, string>, signal?: AbortSignal) =>
  json<SourcePage>(`v1/sources?${new URLSearchParams(query)}`, given(signal));

export const source = (id: string, signal?: AbortSignal) =>
  json<Scene>(`v1/sources/${encodeURIComponent(id)}`, given(signal));

export const models = () => json<ModelCard[]>("v1/models");

export const results = () => json<Record<string, Record<string, unknown>>>("v1/results");

export const jobs = () => json<Job[]>("v1/jobs");

export const job = (id: string) => json<Job>(`v1/jobs/${encodeURIComponent(id)}`);

export const startJob = async (kind: JobKind, request: unknown): Promise<string> =>
  (await json<{ job: string }>(`v1/${kind}`, posted(request))).job;

export const cancelJob = async (id: string): Promise<void> => {
  await ask(`v1/jobs/${encodeURIComponent(id)}`, { method: "DELETE" });
};

export const jobResult = <T>(id: string, format: string) =>
  json<T>(`v1/jobs/${encodeURIComponent(id)}/result?format=${format}`);

export const jobResultAddress = (id: string, format: string) =>
  `v1/jobs/${encodeURIComponent(id)}/result?format=${format}`;

export const sendImage = (picture: Blob) =>
  json<ImageAnswer>("v1/images", {
    method: "POST",
    headers: { "content-type": picture.type || "application/octet-stream" },
    body: picture,
  });

export const exportHits = async (request: SearchRequest, format: ExportFormat): Promise<Blob> =>
  (await ask(`v1/export?format=${format}`, posted(request))).blob();

/** The tiles at a point, smallest first: what a click on the map picks. */
export async function itemsAt(lng: number, lat: number): Promise<string[]> {
  const small = 1e-7;
  const found = await json<{ features: { id: string; properties: { gsd?: number } }[] }>(
    `stac/search?limit=50&bbox=${[lng - small, lat - small, lng + small, lat + small].join(",")}`,
  );
  return [...found.features]
    .sort((a, b) => (a.properties.gsd ?? Number.POSITIVE_INFINITY) - (b.properties.gsd ?? Number.POSITIVE_INFINITY))
    .map((feature) => feature.id);
}

export const thumbnail = (id: string, side = 256) => `v1/items/${encodeURIComponent(id)}/thumbnail.png?side=${side}`;

export const why = (id: string, text: string) =>
  `v1/items/${encodeURIComponent(id)}/why?text=${encodeURIComponent(text)}`;

export const picture = (id: string, side: number) => `v1/sources/${encodeURIComponent(id)}/picture.png?side=${side}`;

/** The template of a source's map tiles. */
export function tiles(id: string, bands?: string, stretch?: string): string {
  const query = new URLSearchParams({ source: id });
  if (bands) query.set("bands", bands);
  if (stretch) query.set("stretch", stretch);
  return `${new URL("v1/tiles/", document.baseURI).href}{z}/{x}/{y}.png?${query}`;
}

/** Follow a job by server-sent events. Returns what stops it. */
export function follow(id: string, heard: (job: Job) => void, lost: () => void): () => void {
  const events = new EventSource(`v1/jobs/${encodeURIComponent(id)}/events`);
  const hear = (event: Event) => heard(JSON.parse((event as MessageEvent<string>).data) as Job);
  for (const name of ["progress", "done", "failed", "cancelled"])
    events.addEventListener(name, (event) => {
      if (!(event instanceof MessageEvent)) return;
      hear(event);
      if (name !== "progress") events.close();
    });
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED) lost();
  };
  return () => events.close();
}
