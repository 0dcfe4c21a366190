/** The archive: what it holds, what is being done, which files are in it and which are not, and why. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { writeRoute } from "../address/route";
import { RecallTable } from "../models/page";
import { sources as askSources, cancelJob, ServiceError, startJob } from "../service/client";
import type { ArchiveFacts, Job, Source, SourcePage } from "../service/types";
import { go } from "../shell/address";
import { Icon } from "../shell/icons";
import { useJobs } from "../shell/jobs";
import { say } from "../shell/toast";
import { LANGUAGE_NAMES, useWords, type Word } from "../words";
import { failureOf } from "./failure";

interface Props {
  facts: ArchiveFacts | null;
  refresh: () => void;
}

export default function ArchivePage({ facts, refresh }: Props) {
  const { t, number, bytes, date, metres } = useWords();
  const { jobs, refresh: refreshJobs } = useJobs();
  const working = useRef(false);
  const busy = jobs.some((job) => job.state === "running" || job.state === "waiting");
  useEffect(() => {
    if (working.current && !busy) refresh();
    working.current = busy;
  }, [busy, refresh]);
  if (!facts) return <p class="state">{t("loading")}</p>;
  const storage = Object.values(facts.storage_bytes).reduce((sum, each) => sum + each, 0);
  const numbers: [string, string][] = [
    [t("tiles"), number(facts.tiles)],
    [t("files"), number(facts.sources)],
    [t("storage"), bytes(storage)],
    [t("located"), `${number(facts.located_share * 100)} %`],
    [t("dates"), facts.time_range ? `${date(facts.time_range[0])} – ${date(facts.time_range[1])}` : t("unknown")],
    [t("detail"), facts.gsd_range ? `${metres(facts.gsd_range[0])} – ${metres(facts.gsd_range[1])}` : t("unknown")],
  ];
  return (
    <div class="sheetPage">
      <h1 dir="auto">{facts.name}</h1>
      <dl class="figures">
        {numbers.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <div class="two">
        <section class="block">
          <h2>{t("storage")}</h2>
          <StorageBar parts={facts.storage_bytes} whole={storage} />
          <h2>{t("captions")}</h2>
          <p class="note">
            {Object.keys(facts.captions).length
              ? Object.entries(facts.captions)
                  .map(
                    ([code, count]) =>
                      `${LANGUAGE_NAMES[code as keyof typeof LANGUAGE_NAMES] ?? code}: ${number(count)}`,
                  )
                  .join(" · ")
              : t("noCaptions")}
          </p>
          <h2>{t("addFolder")}</h2>
          {facts.can_index ? <AddFolder started={refreshJobs} /> : <p class="note">{t("cannotIndex")}</p>}
        </section>
        <section class="block modelCard">
          <h2>{t("model")}</h2>
          <dl>
            <dt>{t("id")}</dt>
            <dd dir="ltr">{facts.model.id}</dd>
            <dt>{t("languages")}</dt>
            <dd>
              {facts.model.languages
                .map((code) => LANGUAGE_NAMES[code as keyof typeof LANGUAGE_NAMES] ?? code)
                .join(", ")}
            </dd>
            <dt>{t("size")}</dt>
            <dd>{bytes(facts.model.size_bytes)}</dd>
            <dt>{t("licence")}</dt>
            <dd dir="auto">{facts.model.licence ?? t("unknown")}</dd>
          </dl>
          {Object.keys(facts.model.recall).length > 0 && (
            <RecallTable recall={facts.model.recall as Record<string, Record<string, number>>} />
          )}
        </section>
      </div>
      <section class="block">
        <h2>{t("jobs")}</h2>
        {jobs.length === 0 && <p class="note">{t("noJobs")}</p>}
        <ul class="jobs">
          {jobs.map((job) => (
            <JobRow key={job.id} job={job} changed={refreshJobs} />
          ))}
        </ul>
      </section>
      <SourceTable facts={facts} />
    </div>
  );
}

function StorageBar({ parts, whole }: { parts: Record<string, number>; whole: number }) {
  const { bytes } = useWords();
  const shown = Object.entries(parts).filter(([, size]) => size > 0);
  return (
    <div class="storage">
      <div class="stack" aria-hidden="true">
        {shown.map(([name, size], i) => (
          <i key={name} class={`part${i % 4}`} style={{ inlineSize: `${(size / (whole || 1)) * 100}%` }} />
        ))}
      </div>
      <ul>
        {shown.map(([name, size], i) => (
          <li key={name}>
            <i class={`part${i % 4}`} aria-hidden="true" /> <span dir="ltr">{name}</span> <b>{bytes(size)}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

function AddFolder({ started }: { started: () => void }) {
  const { t } = useWords();
  return (
    <form
      class="addFolder"
      onSubmit={async (event) => {
        event.preventDefault();
        const form = event.currentTarget;
        const values = new FormData(form);
        try {
          await startJob("index", {
            paths: [String(values.get("path")).trim()],
            levels: Number(values.get("levels")),
            tile: Number(values.get("tile")),
          });
          form.reset();
          started();
        } catch (cause) {
          say(
            cause instanceof ServiceError ? [cause.message, cause.remedy].filter(Boolean).join(" ") : t("failed"),
            "bad",
          );
        }
      }}
    >
      <label class="path">
        {t("folder")}
        <input name="path" required dir="ltr" placeholder="2025/spring" />
      </label>
      <label>
        {t("tileSide")}
        <input name="tile" type="number" min="16" max="8192" defaultValue="256" />
      </label>
      <label>
        {t("levels")}
        <input name="levels" type="number" min="1" max="16" defaultValue="1" />
      </label>
      <button type="submit" class="small primary">
        <Icon name="folder" size={16} /> {t("index")}
      </button>
    </form>
  );
}

const JOB_STATES: Record<Job["state"], Word> = {
  waiting: "jobWaiting",
  running: "jobRunning",
  done: "jobDone",
  failed: "jobFailed",
  cancelled: "jobCancelled",
};

function JobRow({ job, changed }: { job: Job; changed: () => void }) {
  const { t, number, duration } = useWords();
  const { progress } = job;
  const speed = progress && progress.seconds > 0 ? progress.done / progress.seconds : null;
  const result = job.result as {
    indexed?: number;
    unchanged?: number;
    tiles_added?: number;
    failed_count?: number;
    failed?: { name: string; cause: string; remedy?: string }[];
  } | null;
  const open = job.state === "running" || job.state === "waiting";
  return (
    <li class={`job ${job.state}`}>
      <div class="line">
        <span class={`band ${job.state === "done" ? "likely" : job.state === "failed" ? "bad" : "background"}`}>
          {t(JOB_STATES[job.state])}
        </span>
        <b dir="auto">{job.title}</b>
        <span class="spring" />
        <button
          type="button"
          class="textual"
          aria-label={`${open ? t("stop") : t("forgetJob")}: ${job.title}`}
          onClick={() =>
            cancelJob(job.id)
              .then(changed)
              .catch(() => changed())
          }
        >
          {open ? t("stop") : t("forgetJob")}
        </button>
      </div>
      {job.state === "running" && (
        <>
          <progress
            max={1}
            value={progress?.total ? progress.done / progress.total : undefined}
            aria-label={t("progress")}
          />
          {progress && (
            <p class="note">
              {[
                t("doneOf", { done: progress.done, total: progress.total }),
                speed === null ? null : t("perSecond", { speed: number(speed, speed < 10 ? 1 : 0) }),
                progress.left_seconds === null ? null : t("timeLeft", { time: duration(progress.left_seconds) }),
                progress.words,
              ]
                .filter(Boolean)
                .join(" · ")}
            </p>
          )}
        </>
      )}
      {job.problem && (
        <p class="why" dir="auto">
          {job.problem.detail ?? job.problem.title} {job.problem.remedy}
        </p>
      )}
      {job.kind === "index" && result && (
        <>
          <p class="note">
            {t("indexDone", {
              done: result.indexed ?? 0,
              skipped: result.unchanged ?? 0,
              failed: result.failed_count ?? 0,
              tiles: result.tiles_added ?? 0,
            })}
          </p>
          {(result.failed ?? []).slice(0, 20).map((failure) => (
            <p class="why" key={failure.name} dir="auto">
              <b>{failure.name}</b> {failure.cause}. {failure.remedy}
            </p>
          ))}
        </>
      )}
    </li>
  );
}

const PAGE = 100;

function SourceTable({ facts }: { facts: ArchiveFacts }) {
  const { t, number, bytes, date, metres } = useWords();
  const [state, setState] = useState("");
  const [name, setName] = useState("");
  const [page, setPage] = useState<SourcePage | null>(null);
  const [shown, setShown] = useState<Source[]>([]);
  const load = useCallback(
    (offset: number, signal?: AbortSignal) =>
      askSources(
        { limit: String(PAGE), offset: String(offset), ...(state ? { state } : {}), ...(name ? { name } : {}) },
        signal,
      )
        .then((told) => {
          setPage(told);
          setShown((before) => (offset ? [...before, ...told.sources] : told.sources));
        })
        .catch(() => undefined),
    [state, name],
  );
  // asked again when the archive has changed
  useEffect(() => {
    const stop = new AbortController();
    const wait = window.setTimeout(() => void load(0, stop.signal), name ? 200 : 0);
    return () => {
      stop.abort();
      window.clearTimeout(wait);
    };
  }, [load, name, facts]);
  const STATE_WORDS: Record<string, Word> = {
    done: "stateDone",
    partial: "statePartial",
    failed: "stateFailed",
    damaged: "stateDamaged",
  };
  return (
    <section class="block sources">
      <div class="line">
        <h2>{t("files")}</h2>
        <span class="spring" />
        <input
          type="search"
          aria-label={t("findFile")}
          placeholder={t("findFile")}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
        <select aria-label={t("stateOf")} value={state} onChange={(event) => setState(event.currentTarget.value)}>
          <option value="">{t("all")}</option>
          {Object.entries(page?.states ?? {}).map(([each, count]) => (
            <option key={each} value={each}>
              {t(STATE_WORDS[each] ?? "unknown")} ({number(count)})
            </option>
          ))}
        </select>
      </div>
      <div class="scroll" tabIndex={0} role="region" aria-label={t("files")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("file")}</th>
              <th scope="col">{t("stateOf")}</th>
              <th scope="col" class="figure">
                {t("tiles")}
              </th>
              <th scope="col" class="figure">
                {t("size")}
              </th>
              <th scope="col">{t("taken")}</th>
              <th scope="col" class="figure">
                {t("detail")}
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((source) => {
              const failure = failureOf(source.error);
              const address = writeRoute("scene", "", source.id);
              return (
                <tr key={source.id}>
                  <th scope="row">
                    {source.tiles > 0 ? (
                      <a
                        href={address}
                        dir="ltr"
                        onClick={(event) => {
                          if (event.metaKey || event.ctrlKey) return;
                          event.preventDefault();
                          go(address);
                        }}
                      >
                        {source.name}
                      </a>
                    ) : (
                      <span dir="ltr">{source.name}</span>
                    )}
                    {failure && (
                      <span class="why" dir="auto">
                        {failure}
                      </span>
                    )}
                  </th>
                  <td>
                    <span
                      class={`band ${source.state === "done" ? "likely" : source.state === "partial" ? "uncertain" : "bad"}`}
                    >
                      {t(STATE_WORDS[source.state] ?? "unknown")}
                    </span>
                  </td>
                  <td class="figure">{number(source.tiles)}</td>
                  <td class="figure">{bytes(source.bytes)}</td>
                  <td>{source.times?.[0] ? date(source.times[0]) : "–"}</td>
                  <td class="figure">
                    {source.gsd_m?.[0] ? metres(source.gsd_m[0]) : source.bounds ? "–" : t("unlocated")}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {page && shown.length < page.total && (
        <button type="button" class="small" onClick={() => void load(shown.length)}>
          {t("showMore", { count: page.total - shown.length })}
        </button>
      )}
    </section>
  );
}
