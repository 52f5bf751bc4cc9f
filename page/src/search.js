// Search: by name or by what is heard; the answers are a list and stand out on the map.

import { ask } from "./api.js";
import { arrivals, grid } from "./browse.js";
import { learn } from "./track-cache.js";
import { $, button, count, el, fill, later, say } from "./dom.js";
import { mark } from "./map.js";
import { play } from "./player.js";
import { trackList } from "./rows.js";
import { scene } from "./scene.js";
import { emit, on, state } from "./state.js";
import { t } from "./strings.js";
import { raiseSheet, showTab } from "./tabs.js";

const PAGE = 50;
const ARRIVALS = 9; // albums that an empty search shows
const HELP = { name: "Title, artist, album", sound: "sad jazz, piano" };

let running = null;
let cards = [];
let total = 0;

const by = () => document.querySelector("[name=search-by]:checked").value;

async function search(more = false) {
  const text = $("q").value.trim();
  running?.abort();
  running = new AbortController();
  if (!text) {
    cards = [];
    showStart();
    mark([]);
    return;
  }
  showTab("search");
  raiseSheet();
  const query = new URLSearchParams({
    [by() === "sound" ? "sounds" : "q"]: text,
    limit: PAGE,
    offset: more ? cards.length : 0,
  });
  try {
    const answer = await ask(`/v1/tracks?${query}`, { signal: running.signal });
    cards = more ? [...cards, ...learn(answer.tracks)] : learn(answer.tracks);
    total = answer.total;
    show(answer);
  } catch (error) {
    if (error.name === "AbortError") return;
    fill($("panel-search"), el("p", { class: "error", role: "alert" }, error.message));
  }
}

function show({ terms, unused, faint }) {
  const line = count(total, "track");
  const notes = [
    terms?.length &&
      `Listening for: ${terms.map(({ text, negated }) => (negated ? `not ${text}` : text)).join(", ")}`,
    unused?.length && `Not understood: ${unused.join(", ")}`,
    faint?.length && `Hardly heard: ${faint.map(({ text }) => text).join(", ")}`,
  ].filter(Boolean);
  fill(
    $("panel-search"),
    el(
      "div",
      { class: "panel-head" },
      el("h2", {}, cards.length ? line : "Nothing found"),
      notes.length > 0 && el("p", { class: "soft" }, notes.join(" · ")),
    ),
    cards.length
      ? trackList(cards)
      : el(
          "p",
          { class: "soft" },
          by() === "sound"
            ? "Try genres, moods, voices or instruments."
            : "Every word must occur in title, artist or album. “Sound” searches what is heard.",
        ),
    cards.length < total &&
      cards.length > 0 &&
      button("Show more", () => search(true), { id: "search-more", kind: "wide" }),
  );
  say(cards.length ? `${line} found` : "Nothing found");
  mark(
    cards.map(({ id }) => id),
    { fade: true },
  );
}

function showStart() {
  const n = state.info?.tracks;
  const data = scene.data;
  const some = data?.ids.length
    ? button("Play something", surprise, { icon: "play", kind: "primary", id: "surprise" })
    : null;
  fill(
    $("panel-search"),
    el(
      "div",
      { class: "start" },
      el(
        "h2",
        { class: "large" },
        n
          ? `${count(n, "track")}, by how ${n === 1 ? "it sounds" : "they sound"}`
          : "A map of music by how it sounds",
      ),
      el(
        "p",
        {},
        "Each point is a track; neighbors sound alike. Click one to hear it, drag and scroll to look around.",
      ),
      el("p", { class: "soft" }, "Drop an audio file anywhere to see where it belongs."),
      some,
    ),
    el("section", { class: "part", id: "arrivals", hidden: true }),
  );
  showArrivals();
}

let newest = []; // albums, of the catalog as it was told last

async function showArrivals() {
  const fillIn = () => {
    const part = $("arrivals");
    if (!part || !newest.length) return;
    part.hidden = false;
    fill(
      part,
      el("h3", {}, t("browse.arrivals")),
      grid("new", newest),
      button(t("browse.all"), () => showTab("browse"), { icon: "browse", kind: "wide" }),
    );
  };
  fillIn();
  if (!state.info) return;
  newest = await arrivals(ARRIVALS).catch(() => newest);
  fillIn();
}

/** Look for what sounds like a word. */
export function searchSound(word) {
  $("q").value = word;
  const sound = document.querySelector("[name=search-by][value=sound]");
  sound.checked = true;
  $("q").placeholder = HELP.sound;
  search();
}

function surprise() {
  const { ids } = scene.data;
  const id = ids[Math.floor(Math.random() * ids.length)];
  emit("pick", id);
}

export function initSearch() {
  const soon = later(160, search);
  $("q").addEventListener("input", () => soon());
  $("search").addEventListener("submit", (event) => {
    event.preventDefault();
    soon.cancel();
    search().then(() => cards.length && play(cards[0].id, { ids: cards.map(({ id }) => id) }));
  });
  $("q").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") {
      event.preventDefault();
      document.querySelector("#panel-search .row-play")?.focus();
    } else if (event.key === "Escape") {
      $("q").value = "";
      search();
    }
  });
  // The field keeps the keyboard, so that nothing moves under the finger on a narrow screen.
  $("search-by").addEventListener("mousedown", (event) => event.preventDefault());
  for (const input of document.querySelectorAll("[name=search-by]")) {
    input.addEventListener("change", () => {
      $("q").placeholder = HELP[by()];
      $("q").focus();
      if ($("q").value.trim()) search();
    });
  }
  on("map info", () => !$("q").value.trim() && showStart());
  on(
    "tab",
    (name) =>
      name === "search" &&
      mark(
        cards.map(({ id }) => id),
        { fade: true },
      ),
  );
  showStart();
}
