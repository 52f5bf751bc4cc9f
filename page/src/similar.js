// Neighbors of the chosen track, and why they are.

import { Problem, ask } from "./api.js";
import { cardOf, known, learn, titleOf } from "./track-cache.js";
import { $, button, count, el, fill, say, segments } from "./dom.js";
import { mark } from "./map.js";
import { queueAfter } from "./player.js";
import { trackList } from "./rows.js";
import { addSeed, seedFor } from "./seeds.js";
import { recall, remember, state } from "./state.js";
import { showTab } from "./tabs.js";
import { percent, whyLegend } from "./explanation.js";

const N = 30;
const LINES = 12; // to the nearest; more of them hide the map

let by = recall("by", "all");
let others = recall("others", false);
let shown = null; // {id, by, others, answer}
let running = null;
let pending = "";
let again = null;

/** Fetch and show what is like the chosen track. */
export async function showSimilar() {
  const id = state.chosen;
  clearTimeout(again);
  const asked = [id, by, others].join();
  if (running && pending === asked) return;
  running?.abort();
  if (!id) {
    fill(
      $("panel-similar"),
      el(
        "div",
        { class: "start" },
        el("h2", {}, "What is like it?"),
        el("p", {}, "Choose a track on the map or in a list."),
      ),
    );
    return;
  }
  if (shown?.id === id && shown.by === by && shown.others === others) return markNeighbors();
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
    shown = { id, by, others, answer };
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

async function likeTrack(id, signal) {
  const question = { id, n: N, by, explain: true, exclude_same_artist: others };
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
      notes: ["By sound alone for now: the reasons are still being prepared.", ...answer.notes],
    };
  }
}

/** A file of the user's was answered when it was sent; another question sends its vector. */
async function likeUpload(upload, signal) {
  if (by === upload.answer.by && !others) return upload.answer;
  const seed = await seedFor({ id: upload.id, weight: 1 });
  return ask("/v1/similar", { json: { seeds: [seed], n: N, by, explain: true }, signal });
}

function head(id) {
  const upload = state.uploads.get(id);
  const change = () => {
    remember("by", by);
    remember("others", others);
    showSimilar();
  };
  return el(
    "div",
    { class: "panel-head" },
    el("h2", {}, "Like “", titleOf(known(id)), "”"),
    el(
      "div",
      { class: "options" },
      segments(
        "by",
        "Compare",
        [
          ["all", "Everything"],
          ["sound", "Sound only"],
        ],
        by,
        (value) => {
          by = value;
          change();
        },
      ),
      !upload &&
        el(
          "label",
          { class: "check" },
          el("input", {
            type: "checkbox",
            id: "other-artists",
            checked: others,
            onchange: (event) => {
              others = event.target.checked;
              change();
            },
          }),
          "Other artists only",
        ),
    ),
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
    ...(!answer.matches.length ? [el("p", { class: "soft" }, "Nothing to compare with.")] : []),
    whyLegend(answer.matches),
    trackList(answer.matches, { numbered: true, score: ({ score }) => percent(score), anchor: id }),
    button("A playlist like this", () => addSeed(id, 1).then(() => showTab("playlist")), {
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
  say(`${count(answer.matches.length, "track")} like ${titleOf(known(id))}`);
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
