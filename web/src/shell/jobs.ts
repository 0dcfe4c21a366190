/** Long work done by the service: started here, followed by events, told when it ends. */

import { useCallback, useEffect, useState } from "preact/hooks";
import * as service from "../service/client";
import type { Job, JobKind } from "../service/types";
import type { Words } from "../words";
import { say } from "./toast";

/** Start a job and wait for its end, hearing of its progress. */
export async function runJob(kind: JobKind, request: unknown, heard: (job: Job) => void = () => {}): Promise<Job> {
  const started = await service.startJob(kind, request);
  heard(started);
  return new Promise((resolve, reject) => {
    service.follow(
      started.job,
      (job) => {
        heard(job);
        if (job.state === "done") resolve(job);
        else if (job.state === "failed" || job.state === "cancelled")
          reject(new service.ServiceError(job.error ?? { title: job.state }, 500));
      },
      () => reject(new service.ServiceError({ title: "lost" }, 0)),
    );
  });
}

/** All jobs of the service, kept up to date while somebody looks. */
export function useJobs(): { jobs: readonly Job[]; refresh: () => void } {
  const [jobs, setJobs] = useState<readonly Job[]>([]);
  const [round, setRound] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another round asks again
  useEffect(() => {
    const stops: (() => void)[] = [];
    let gone = false;
    service
      .jobs()
      .then(({ jobs: listed }) => {
        if (gone) return;
        setJobs(listed);
        for (const job of listed)
          if (job.state === "running" || job.state === "waiting")
            stops.push(
              service.follow(
                job.job,
                (told) => setJobs((now) => now.map((each) => (each.job === told.job ? { ...each, ...told } : each))),
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

/** Captions written in this visit, by tile and language. */
export function useCaptions(): { captions: Captions; captionItem: (id: string, t: Words["t"]) => void } {
  const [captions, setCaptions] = useState<Captions>({});
  const captionItem = useCallback((id: string, t: Words["t"]) => {
    say(t("captioning"));
    runJob("caption", { items: [id] })
      .then(async (job) => {
        const told = await service.jobResult<{ captions: Record<string, Record<string, string>> }>(job.job, "json");
        setCaptions((before) => ({ ...before, ...told.captions }));
      })
      .catch((cause: unknown) => say(cause instanceof Error ? cause.message : t("failed"), "bad"));
  }, []);
  return { captions, captionItem };
}
