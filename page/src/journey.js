// A journey: a smooth way from one track to another.

import { t } from "./strings.js";
import { ask } from "./api.js";
import { cardOf, known, learn, titleOf } from "./track-cache.js";
import { $, button, el, fill, iconButton, later, say } from "./dom.js";
import { mark } from "./map.js";
import { result, slider } from "./playlist.js";
import { rules } from "./similar.js";
import { keepAddress, on, recall, remember, state } from "./state.js";
import { raiseSheet, showTab } from "./tabs.js";

const settings = recall("journey", { n: 12 });

let tracks = [];
let notes = [];
let running = null;
let built = "";

const key = () => [state.journey.from, state.journey.to, settings.n].join();

async function travel() {
  const { from, to } = state.journey;
  running?.abort();
  if (!from || !to) {
    [tracks, notes] = [[], []];
    return show();
  }
  if (built === key()) return show();
  running = new AbortController();
  const asked = key();
  try {
    const answer = await ask("/v1/similar", {
      json: { path: { from, to }, n: settings.n, ...rules() },
      signal: running.signal,
    });
    tracks = learn(answer.matches);
    notes = answer.notes;
    built = asked;
    say(t("journey.of", { n: tracks.length }));
  } catch (error) {
    if (error.name === "AbortError") return;
    [tracks, notes] = [[], [error.message]];
  }
  show();
}

const soon = later(200, travel);

function slot(which, text) {
  const id = state.journey[which];
  const card = known(id);
  const chosen =
    state.chosen && !state.uploads.has(state.chosen) && state.chosen !== id
      ? known(state.chosen)
      : null;
  return el(
    "div",
    { class: `slot${id ? "" : " none"}`, id: `journey-${which}`, data: { id: id ?? "" } },
    el("span", { class: "sign" }, text),
    el(
      "span",
      { class: "seed-name" },
      id ? (card ? titleOf(card) : "…") : t("journey.open"),
      el("small", {}, card?.artist ?? ""),
    ),
    chosen &&
      !id &&
      button(t("journey.use"), () => setEnds({ [which]: state.chosen }), {
        kind: "small",
        title: titleOf(chosen),
      }),
    id && iconButton(t("take-out", { title: titleOf(card) }), "cross", () => setEnds({ [which]: null })),
  );
}

function show() {
  const { from, to } = state.journey;
  fill(
    $("journey-ends"),
    slot("from", t("journey.from")),
    slot("to", t("journey.to")),
    from && to
      ? button(t("journey.turn"), () => setEnds({ from: to, to: from }), {
          kind: "small",
          id: "journey-turn",
        })
      : null,
  );
  const shown = from && to ? tracks : [];
  fill(
    $("journey-result"),
    ...notes.map((note) => el("p", { class: "notice" }, note)),
    ...result(shown, {
      title: t("journey.title", { from: titleOf(known(from)), to: titleOf(known(to)) }),
      id: "journey",
      score: ({ score, rank }) => (rank === 1 ? "" : `${Math.round(100 * score)}`),
    }),
  );
  if (state.tab === "journey") markJourney();
}

function draw() {
  const change = (set) => {
    set();
    remember("journey", settings);
    soon();
  };
  fill(
    $("panel-journey"),
    el(
      "div",
      { class: "panel-head" },
      el("h2", {}, t("tab.journey")),
      el("p", { class: "soft" }, t("journey.help")),
    ),
    el("div", { class: "slots", id: "journey-ends" }),
    el(
      "div",
      { class: "sliders" },
      slider(
        "journey-n",
        t("setting.tracks"),
        { min: 4, max: 40, step: 1, value: settings.n },
        (value) => `${value}`,
        (value) => (settings.n = value),
        change,
      ),
    ),
    el("div", { id: "journey-result" }),
  );
  show();
}

/** Set one end or both, and travel if both are known. */
export async function setEnds(ends) {
  // At once: an address that is written before their cards have come names them still.
  Object.assign(state.journey, ends);
  const ids = Object.values(ends).filter(Boolean);
  await Promise.all(ids.map((id) => cardOf(id).catch(() => null)));
  for (const which of Object.keys(ends))
    if (!known(state.journey[which])) state.journey[which] = null;
  showTab("journey");
  raiseSheet();
  keepAddress();
  show();
  travel();
}

export function markJourney() {
  const ids = tracks.map(({ id }) => id);
  mark(ids, { fade: true, pairs: ids.slice(1).map((id, i) => [ids[i], id, 1]) });
}

export function initJourney() {
  draw();
  on("journey-end", setEnds);
  on("chosen", show);
  on("tab", (name) => name === "journey" && show());
}
