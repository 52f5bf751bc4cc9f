// A playlist from seeds: more of these, less of those; then in the user's own order.

import { t } from "./strings.js";
import { ask, fetched } from "./api.js";
import { cardOf, known, learn, nameOf, titleOf } from "./track-cache.js";
import { $, button, clock, el, fill, iconButton, later, say, toast } from "./dom.js";
import { mark } from "./map.js";
import { play } from "./player.js";
import { trackList } from "./rows.js";
import { dropSeed, seedFor, weighSeed } from "./seeds.js";
import { rules } from "./similar.js";
import { on, recall, remember, state } from "./state.js";
import { badge } from "./tabs.js";

const settings = recall("playlist", { n: 20, diversity: 0.3, artist: 2 });

let tracks = [];
let notes = [];
let removed = new Set();
let running = null;

const seedKey = () => JSON.stringify(state.seeds);
let built = "";

async function build() {
  running?.abort();
  running = new AbortController();
  const wanted = state.seeds.some(({ weight }) => weight > 0);
  if (!wanted) {
    tracks = [];
    return show();
  }
  const { signal } = running;
  try {
    const seeds = await Promise.all(state.seeds.map(seedFor));
    const json = {
      seeds,
      n: settings.n,
      by: "sound",
      diversity: settings.diversity,
      exclude: [...removed],
      no_versions: true,
      ...rules(),
    };
    if (settings.artist) json.max_per_artist = settings.artist;
    const answer = await ask("/v1/similar", { json, signal });
    tracks = learn(answer.matches);
    notes = answer.notes;
    built = seedKey();
    show();
    say(t("playlist.of", { n: tracks.length }));
  } catch (error) {
    if (error.name === "AbortError") return;
    tracks = [];
    notes = [error.message];
    show();
  }
}

const soon = later(220, build);

function draw() {
  const panel = $("panel-playlist");
  fill(
    panel,
    el(
      "div",
      { class: "panel-head" },
      el("h2", {}, t("tab.playlist")),
      el("p", { class: "soft" }, t("playlist.help")),
    ),
    el("ul", { class: "seeds", id: "seeds" }),
    el(
      "div",
      { class: "sliders" },
      slider(
        "playlist-n",
        t("setting.tracks"),
        { min: 5, max: 100, step: 5, value: settings.n },
        (value) => `${value}`,
        (value) => (settings.n = value),
      ),
      slider(
        "playlist-diversity",
        t("playlist.diversity"),
        { min: 0, max: 1, step: 0.05, value: settings.diversity },
        (value) => `${Math.round(100 * value)} %`,
        (value) => (settings.diversity = value),
      ),
      el(
        "label",
        { class: "slider", for: "playlist-artist" },
        el("span", {}, t("playlist.artist")),
        el(
          "select",
          {
            id: "playlist-artist",
            onchange: (event) => change(() => (settings.artist = Number(event.target.value))),
          },
          [1, 2, 3, 5, 0].map((value) =>
            el(
              "option",
              { value, selected: value === settings.artist },
              value ? `${value}` : t("playlist.any"),
            ),
          ),
        ),
      ),
    ),
    el("div", { id: "playlist-result" }),
  );
  show();
}

function change(set) {
  set();
  remember("playlist", settings);
  soon();
}

export function slider(id, name, range, shown, set, onchange = change) {
  const output = el("output", { for: id }, shown(range.value));
  const input = el("input", {
    type: "range",
    id,
    ...range,
    oninput: () =>
      onchange(() => {
        output.textContent = shown(Number(input.value));
        set(Number(input.value));
      }),
  });
  return el("label", { class: "slider", for: id }, el("span", {}, name), input, output);
}

function show() {
  const list = $("seeds");
  badge("playlist", state.seeds.length);
  fill(
    list,
    ...state.seeds.map(({ id, weight }) =>
      el(
        "li",
        { class: weight > 0 ? "plus" : "minus", data: { id } },
        el("span", { class: "sign" }, t(weight > 0 ? "playlist.more" : "playlist.less")),
        el(
          "span",
          { class: "seed-name" },
          titleOf(known(id)),
          el("small", {}, known(id)?.artist ?? ""),
        ),
        iconButton(
          t(weight > 0 ? "playlist.less-of" : "playlist.more-of", { title: titleOf(known(id)) }),
          weight > 0 ? "minus" : "plus",
          () => weighSeed(id, -weight),
        ),
        iconButton(t("take-out", { title: titleOf(known(id)) }), "cross", () => dropSeed(id)),
      ),
    ),
  );
  if (!state.seeds.length)
    list.append(el("li", { class: "none" }, t("playlist.begin")));
  else if (!state.seeds.some(({ weight }) => weight > 0))
    list.append(
      el("li", { class: "none" }, t("playlist.need")),
    );
  fill(
    $("playlist-result"),
    ...(tracks.length || notes.length
      ? [
          ...notes.map((note) => el("p", { class: "notice" }, note)),
          ...result(tracks, { edit, title: titleFor(), id: "playlist" }),
        ]
      : []),
  );
  if (state.tab === "playlist") markPlaylist();
}

const titleFor = () =>
  t("playlist.title", {
    titles: state.seeds
      .filter(({ weight }) => weight > 0)
      .map(({ id }) => titleOf(known(id)))
      .slice(0, 2)
      .join(t("and")),
  });

const edit = {
  up: (i) => move(i, -1),
  down: (i) => move(i, 1),
  remove: (i) => {
    removed.add(tracks[i].id);
    say(t("playlist.removed", { name: nameOf(tracks[i]) }));
    tracks = tracks.filter((_, at) => at !== i);
    show();
    focusOn(Math.min(i, tracks.length - 1), 2);
  },
};

function move(i, by) {
  const next = [...tracks];
  [next[i], next[i + by]] = [next[i + by], next[i]];
  tracks = next;
  say(t("playlist.moved", { name: nameOf(next[i + by]), n: i + by + 1 }));
  show();
  focusOn(i + by, by < 0 ? 0 : 1);
}

function focusOn(i, tool) {
  const buttons = document
    .querySelectorAll("#playlist-result .row")
    [i]?.querySelectorAll(".row-tools button");
  (buttons?.[tool].disabled ? buttons[1 - tool] : buttons?.[tool])?.focus();
}

/** A list that can be played as a whole and saved; for journeys, too. */
export function result(cards, { edit: hands, title, id, score }) {
  if (!cards.length) return [];
  const seconds = cards.reduce((sum, card) => sum + (card.seconds ?? 0), 0);
  const ids = cards.map((card) => card.id);
  return [
    el(
      "div",
      { class: "result-head" },
      el("span", {}, `${t("tracks", { n: cards.length })}, ${clock(seconds)}`),
      button(t("play-all"), () => play(ids[0], { ids }), {
        icon: "play",
        kind: "primary",
        id: `${id}-play`,
      }),
      button(t("save"), () => save(ids, title), {
        icon: "save",
        id: `${id}-save`,
        title: t("save.m3u8"),
      }),
    ),
    trackList(cards, { numbered: true, edit: hands, score }),
  ];
}

async function save(ids, title) {
  try {
    const answer = await fetched("/v1/playlists", {
      json: { tracks: ids.filter((id) => !state.uploads.has(id)), title, paths: "relative" },
    });
    const url = URL.createObjectURL(await answer.blob());
    el("a", {
      href: url,
      download: `${title.replace(/[\\/:*?"<>|]+/g, " ").trim() || "playlist"}.m3u8`,
    }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
    say(t("playlist.saved"));
  } catch (error) {
    toast(error.message, "error");
  }
}

export const markPlaylist = () =>
  mark(
    tracks.map(({ id }) => id),
    { fade: true },
  );

export async function initPlaylist() {
  draw();
  on("seeds", () => {
    removed = new Set();
    show();
    soon();
  });
  on("tab", (name) => {
    if (name !== "playlist") return;
    if (state.seeds.length && built !== seedKey()) soon();
    else markPlaylist();
  });
  await Promise.all(state.seeds.map(({ id }) => cardOf(id).catch(() => dropSeed(id))));
  show();
}
