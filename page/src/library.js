// The catalog itself: what it holds, scanning for new files, and files that cannot be used.

import { language, t } from "./strings.js";
import { ask, fetched, follow } from "./api.js";
import { $, button, clock, el, fill, say, toast } from "./dom.js";
import { emit, on, state } from "./state.js";

const PAGE = 50;
const nameOf = (kind) => t(`job.${kind}`);
const stateOf = (job) => t(`job.${job.state}`);

const jobs = new Map(); // kind -> the newest job
const following = new Set();
let problems = { total: 0, list: [] };

const active = (job) => job && (job.state === "running" || job.state === "waiting");

async function begin(kind) {
  try {
    watch(await ask("/v1/jobs", { json: { kind } }));
    say(nameOf(kind));
  } catch (error) {
    if (error.status === 409) await loadJobs();
    else toast(error.message, "error");
  }
}

function watch(job) {
  jobs.set(job.kind, job);
  show();
  if (!active(job) || following.has(job.id)) return;
  following.add(job.id);
  follow(job.id, (now) => {
    const before = jobs.get(now.kind);
    jobs.set(now.kind, now);
    show();
    if (active(now) || (before && !active(before) && before.id === now.id)) return;
    following.delete(now.id);
    say(`${nameOf(now.kind)}: ${stateOf(now)}`);
    if (now.state === "done") emit("job-done", now.kind);
    loadProblems();
  });
}

async function loadJobs() {
  const { jobs: list } = await ask("/v1/jobs").catch(() => ({ jobs: [] }));
  for (const kind of ["scan", "map"]) {
    const own = list.filter((job) => job.kind === kind);
    const newest = own.find(active) ?? own.sort((a, b) => (a.started < b.started ? 1 : -1))[0];
    if (newest) watch(newest);
  }
}

async function loadProblems(more = false) {
  const offset = more ? problems.list.length : 0;
  try {
    const found = await ask(`/v1/problems?limit=${PAGE}&offset=${offset}&kind=error`);
    problems = { total: found.total, list: [...(more ? problems.list : []), ...found.problems] };
    show();
  } catch (error) {
    toast(error.message, "error");
  }
}

function jobCard(kind) {
  const job = jobs.get(kind);
  if (!job) return null;
  const going = active(job);
  const share = job.total ? job.done / job.total : null;
  return el(
    "div",
    { class: `job ${job.state}`, data: { kind, state: job.state } },
    el(
      "div",
      { class: "job-line" },
      el("b", {}, nameOf(kind)),
      el("span", { class: "soft" }, stateOf(job)),
    ),
    going &&
      el("progress", {
        ...(share == null ? {} : { value: share }),
        max: 1,
        "aria-label": nameOf(kind),
      }),
    el(
      "p",
      { class: "soft job-text" },
      going
        ? [
            job.total
              ? t("job.of", { n: job.done, all: job.total })
              : null,
            job.eta_seconds != null ? t("job.left", { time: clock(job.eta_seconds) }) : null,
            job.message,
          ]
            .filter(Boolean)
            .join(" · ")
        : outcome(job),
    ),
    going &&
      button(
        t("job.stop"),
        () =>
          fetched(`/v1/jobs/${encodeURIComponent(job.id)}`, { method: "DELETE" }).catch((error) =>
            toast(error.message, "error"),
          ),
        { kind: "small", id: `${kind}-stop` },
      ),
  );
}

function outcome(job) {
  if (job.state !== "done") return job.message ?? "";
  const numbers = Object.entries(job.summary ?? {}).filter(
    ([, value]) => typeof value === "number" && value,
  );
  return numbers
    .map(
      ([name, value]) =>
        `${name.replaceAll("_", " ")} ${Number.isInteger(value) ? value.toLocaleString(language()) : value.toFixed(1)}`,
    )
    .join(" · ");
}

function show() {
  const { info } = state;
  if (!info) return;
  const scanning = active(jobs.get("scan"));
  const focused = document.activeElement?.id;
  fill(
    $("panel-library"),
    el(
      "div",
      { class: "panel-head" },
      el("h2", {}, t("tab.library")),
      el(
        "p",
        { class: "soft" },
        `${t("tracks", { n: info.tracks ?? 0 })} · ${info.model ?? "–"} · musicu ${info.version}`,
      ),
    ),
    el(
      "div",
      { class: "actions" },
      info.features?.scan !== false &&
        button(t("library.scan"), () => begin("scan"), {
          icon: "search",
          kind: "primary",
          id: "scan",
          disabled: scanning,
        }),
      info.features?.map !== false &&
        button(t("library.redraw"), () => begin("map"), {
          id: "redraw",
          disabled: active(jobs.get("map")),
        }),
    ),
    jobCard("scan"),
    jobCard("map"),
    el(
      "section",
      { class: "part" },
      el(
        "h3",
        {},
        problems.total
          ? t("library.problems", { n: problems.total })
          : t("library.fine"),
      ),
      el(
        "ul",
        { class: "problems", id: "problems" },
        problems.list.map(({ name, folder, reason }) =>
          el("li", {}, el("b", {}, name), el("span", {}, reason), el("small", {}, folder)),
        ),
      ),
      problems.list.length < problems.total &&
        button(t("more"), () => loadProblems(true), { kind: "wide", id: "problems-more" }),
    ),
    info.notice ? el("p", { class: "soft" }, info.notice) : null,
  );
  if (focused)
    $("panel-library")
      .querySelector(`#${CSS.escape(focused)}`)
      ?.focus();
}

export function initLibrary() {
  on("info", show);
  let loaded = false;
  on("tab", (name) => {
    if (name !== "library" || loaded) return;
    loaded = true;
    loadProblems();
  });
  loadJobs();
}
