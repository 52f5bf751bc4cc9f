// Search: by name or by what is heard; the answers are a list and stand out on the map.

import { ask } from "./api.js";
import { arrivals, grid } from "./browse.js";
import { learn } from "./track-cache.js";
import { $, button, el, fill, later, narrow, say } from "./dom.js";
import { mark } from "./map.js";
import { play } from "./player.js";
import { trackList } from "./rows.js";
import { scene } from "./scene.js";
import { emit, on, state } from "./state.js";
import { t } from "./strings.js";
import { raiseSheet, showTab } from "./tabs.js";

const PAGE = 50;
const ARRIVALS = 9; // albums that an empty search shows

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
  const line = t("tracks", { n: total });
  const notes = [
    terms?.length &&
      t("search.terms", {
        terms: terms
          .map(({ text, negated }) => (negated ? t("search.not", { text }) : text))
          .join(", "),
      }),
    unused?.length && t("search.unused", { words: unused.join(", ") }),
    faint?.length && t("search.faint", { words: faint.map(({ text }) => text).join(", ") }),
  ].filter(Boolean);
  fill(
    $("panel-search"),
    el(
      "div",
      { class: "panel-head" },
      el("h2", {}, cards.length ? line : t("search.nothing")),
      notes.length > 0 && el("p", { class: "soft" }, notes.join(" · ")),
    ),
    cards.length
      ? trackList(cards)
      : el(
          "p",
          { class: "soft" },
          by() === "sound"
            ? t("search.try.sound")
            : t("search.try.name"),
        ),
    cards.length < total &&
      cards.length > 0 &&
      button(t("more"), () => search(true), { id: "search-more", kind: "wide" }),
  );
  say(cards.length ? t("search.found", { line }) : t("search.nothing"));
  mark(
    cards.map(({ id }) => id),
    { fade: true },
  );
}

function showStart() {
  const n = state.info?.tracks;
  const data = scene.data;
  const some = data?.ids.length
    ? button(t("search.surprise"), surprise, { icon: "play", kind: "primary", id: "surprise" })
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
          ? t("search.start", { n })
          : t("search.start.none"),
      ),
      el(
        "p",
        {},
        t("search.start.map"),
      ),
      el("p", { class: "soft" }, t("search.start.drop")),
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
  showHint();
  search();
}

function surprise() {
  const { ids } = scene.data;
  const id = ids[Math.floor(Math.random() * ids.length)];
  emit("pick", id);
}

/** Say what can be searched for; where there is no room to, only that it can. */
function showHint() {
  const short = narrow() && document.activeElement !== $("q");
  $("q").placeholder = short ? t("search.hint.short") : t(`search.hint.${by()}`);
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
      $("q").focus();
      showHint();
      if ($("q").value.trim()) search();
    });
  }
  for (const event of ["focus", "blur"]) $("q").addEventListener(event, showHint);
  addEventListener("resize", showHint);
  showHint();
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
