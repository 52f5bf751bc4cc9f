// Neighbors of the chosen track, and why they are.

import { Problem, ask } from "./api.js";
import { cardOf, known, learn, titleOf } from "./track-cache.js";
import { $, button, el, fill, say, segments } from "./dom.js";
import { mark } from "./map.js";
import { queueAfter } from "./player.js";
import { trackList } from "./rows.js";
import { addSeed, seedFor } from "./seeds.js";
import { recall, remember, state } from "./state.js";
import { t } from "./strings.js";
import { showTab } from "./tabs.js";
import { percent, whyLegend } from "./explanation.js";

const N = 30;
const LONGEST = 900; // seconds; what is longer is a mix or a whole album
const LINES = 12; // to the nearest; more of them hide the map

let by = recall("likeness", null); // until somebody chooses, what the service compares by
let others = recall("others", false);
let wide = recall("wide", false); // long mixes and what is no music, too
let shown = null; // {id, key, answer}
let running = null;
let pending = "";
let again = null;

/** Fetch and show what is like the chosen track. */
export async function showSimilar() {
  const id = state.chosen;
  clearTimeout(again);
  by ??= state.info?.by ?? null;
  const asked = [id, by, others, wide].join();
  if (running && pending === asked) return;
  running?.abort();
  if (!id) {
    fill(
      $("panel-similar"),
      el(
        "div",
        { class: "start" },
        el("h2", {}, t("similar.none")),
        el("p", {}, t("similar.choose")),
      ),
    );
    return;
  }
  if (!by) return; // it is not known yet what the service compares by
  if (shown?.key === asked) return markNeighbors();
  const mine = (running = new AbortController());
  pending = asked;
  const upload = state.uploads.get(id);
  try {
    const answer = upload
      ? await likeUpload(upload, mine.signal)
      : await likeTrack(id, mine.signal);
    await cardOf(id);
    if (running !== mine) return;
    learn(answer.matches);
    shown = { id, key: asked, answer };
    show(id, answer);
    queueAfter(answer.matches.map((match) => match.id));
    markNeighbors();
  } catch (error) {
    if (error.name === "AbortError" || running !== mine) return;
    fill($("panel-similar"), head(id), el("p", { class: "error", role: "alert" }, error.message));
  } finally {
    if (running === mine) running = null;
  }
}

/** What is compared by now. */
export const likeness = () => by ?? state.info?.by ?? "sound";

/** What every question for likeness asks for: no long mixes and no noises, unless wanted. */
export const rules = () =>
  wide ? { include_non_music: true } : { where: `seconds <= ${LONGEST}` };

async function likeTrack(id, signal) {
  const question = {
    id,
    n: N,
    by,
    explain: true,
    exclude_same_artist: others,
    collapse_versions: true,
    ...rules(),
  };
  try {
    return await ask("/v1/similar", { json: question, signal });
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 503 || by === "sound") throw error;
    // The reasons are still being prepared: sound alone answers meanwhile.
    again = setTimeout(
      () => {
        shown = null;
        showSimilar();
      },
      1000 * Math.max(2, error.retry),
    );
    const answer = await ask("/v1/similar", { json: { ...question, by: "sound" }, signal });
    return {
      ...answer,
      notes: [t("similar.preparing"), ...answer.notes],
    };
  }
}

/** A file of the user's was answered when it was sent; another question sends its vector. */
async function likeUpload(upload, signal) {
  if (by === upload.answer.by && !wide) return upload.answer;
  const seed = await seedFor({ id: upload.id, weight: 1 });
  const json = { seeds: [seed], n: N, by, explain: true, collapse_versions: true, ...rules() };
  return ask("/v1/similar", { json, signal });
}

function check(id, text, checked, onchange) {
  const box = el("input", { type: "checkbox", id, checked, onchange: () => onchange(box.checked) });
  return el("label", { class: "check" }, box, text);
}

function head(id) {
  const upload = state.uploads.get(id);
  const change = () => {
    remember("likeness", by);
    remember("others", others);
    remember("wide", wide);
    showSimilar();
  };
  return el(
    "div",
    { class: "panel-head" },
    el("h2", {}, t("similar.like", { title: titleOf(known(id)) })),
    el(
      "div",
      { class: "options" },
      segments(
        "by",
        t("similar.compare"),
        ["sound", "all"].map((one) => [one, t(`similar.by.${one}`)]),
        by,
        (value) => {
          by = value;
          change();
        },
      ),
      !upload &&
        check("other-artists", t("similar.others"), others, (checked) => {
          others = checked;
          change();
        }),
      check("wide", t("similar.wide"), wide, (checked) => {
        wide = checked;
        change();
      }),
    ),
    el("p", { class: "soft", id: "likeness" }, t(`similar.says.${by}`)),
  );
}

function show(id, answer) {
  const within = document.activeElement?.closest("#panel-similar *");
  const focus = within?.closest("input");
  const at = focus && (focus.id || focus.value);
  fill(
    $("panel-similar"),
    head(id),
    ...answer.notes.map((note) => el("p", { class: "notice" }, note)),
    ...(!answer.matches.length ? [el("p", { class: "soft" }, t("similar.nothing"))] : []),
    whyLegend(answer.matches),
    trackList(answer.matches, { numbered: true, score: ({ score }) => percent(score), anchor: id }),
    button(t("similar.playlist"), () => addSeed(id, 1).then(() => showTab("playlist")), {
      icon: "playlist",
      kind: "wide",
      id: "playlist-like",
    }),
  );
  if (at)
    (
      $("panel-similar").querySelector(`#${CSS.escape(at)}`) ??
      $("panel-similar").querySelector(`[value="${CSS.escape(at)}"]`)
    )?.focus();
  else if (within) $("panel-similar").querySelector(".row-play")?.focus();
  say(t("similar.said", { n: answer.matches.length, title: titleOf(known(id)) }));
}

export function markNeighbors() {
  if (state.tab !== "similar" && state.tab !== "track") return;
  if (!shown || shown.id !== state.chosen) return mark([]);
  const { id, answer } = shown;
  const best = answer.matches[0]?.score || 1;
  mark(
    answer.matches.map((match) => match.id),
    {
      pairs: answer.matches
        .slice(0, LINES)
        .map((match) => [id, match.id, Math.max(0, match.score / best) ** 2]),
    },
  );
}

/** Ask again when what is known has changed. */
export function forgetSimilar() {
  shown = null;
}
