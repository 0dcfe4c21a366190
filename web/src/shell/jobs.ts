/** Long work done by the service: started here, followed by events, told when it ends. */

import { useCallback, useEffect, useState } from "preact/hooks";
import * as service from "../service/client";
import type { Hit, Job, JobKind } from "../service/types";
import type { Words } from "../words";
import { say } from "./toast";

/** Start a job and wait for its end, hearing of its progress. */
export async function runJob(kind: JobKind, request: unknown, heard: (job: Job) => void = () => {}): Promise<Job> {
  const id = await service.startJob(kind, request);
  return new Promise((resolve, reject) => {
    service.follow(
      id,
      (job) => {
        heard(job);
        if (job.state === "done") resolve(job);
        else if (job.state === "failed" || job.state === "cancelled")
          reject(new service.ServiceError(job.problem ?? { title: job.state }, job.problem ? 500 : 499));
      },
      () => reject(new service.ServiceError({ title: "lost" }, 0)),
    );
  });
}

/** All jobs of the service, kept up to date while somebody looks. */
export function useJobs(): { jobs: readonly Job[]; refresh: () => void } {
  const [jobs, setJobs] = useState<readonly Job[]>([]);
  const [round, setRound] = useState(0);
  // another round asks again
  useEffect(() => {
    const stops: (() => void)[] = [];
    let gone = false;
    service
      .jobs()
      .then((listed) => {
        if (gone) return;
        setJobs(listed);
        for (const job of listed)
          if (job.state === "running" || job.state === "waiting")
            stops.push(
              service.follow(
                job.id,
                (told) => setJobs((now) => now.map((each) => (each.id === told.id ? { ...each, ...told } : each))),
                () => undefined,
              ),
            );
      })
      .catch(() => undefined);
    return () => {
      gone = true;
      for (const stop of stops) stop();
    };
  }, [round]);
  return { jobs, refresh: useCallback(() => setRound((before) => before + 1), []) };
}

type Captions = Record<string, Record<string, string>>;

/** Captions that were written in this visit, by tile and language. */
export function useCaptions(): { captions: Captions; captionTile: (hit: Hit, words: Words) => void } {
  const [captions, setCaptions] = useState<Captions>({});
  const captionTile = useCallback((hit: Hit, { t, language }: Words) => {
    say(t("captioning", { name: hit.name }));
    runJob("caption", { items: [hit.id], languages: [language] })
      .then((job) => {
        const told = (job.result?.items as Captions | undefined)?.[hit.id] ?? {};
        setCaptions((before) => ({ ...before, [hit.id]: { ...before[hit.id], ...told } }));
        if (!told[language]) say(t("noCaption"), "bad");
      })
      .catch((cause: unknown) => say(cause instanceof Error ? cause.message : t("failed"), "bad"));
  }, []);
  return { captions, captionTile };
}
