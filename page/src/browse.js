// Browse: artists, albums, genres and new arrivals, and the tracks of each.

import { ask } from "./api.js";
import { cover } from "./cover.js";
import { $, button, clock, el, fill, say, segments } from "./dom.js";
import { homeView } from "./home.js";
import { mark } from "./map.js";
import { play } from "./player.js";
import { trackList } from "./rows.js";
import { address, keepAddress, on, state } from "./state.js";
import { t } from "./strings.js";
import { raiseSheet, showTab } from "./tabs.js";
import { learn } from "./track-cache.js";

const SHELVES = ["new", "albums", "artists", "genres"];

const shelvesNow = () => (state.info?.features?.recommend ? ["you", ...SHELVES] : SHELVES);
const PAGE = 60;

let listed = []; // ids that are marked on the map
let asked = "";

const urlOf = (shelf, rest = "") => `/v1/browse/${shelf}${rest}`;

/** Groups of a shelf, as a grid of covers. */
export function grid(shelf, groups) {
  return el(
    "ul",
    { class: `grid ${shelf}` },
    groups.map((group) =>
      el(
        "li",
        {},
        el(
          "button",
          {
            type: "button",
            class: "tile",
            data: { key: group.key },
            onclick: () => open(shelf, group),
          },
          cover(group.id, group.name, shelf === "artists" ? "disc" : ""),
          el("b", {}, group.name),
          el(
            "span",
            {},
            shelf === "artists" || shelf === "genres"
              ? t("tracks", { n: group.tracks })
              : [group.artist, group.year].filter(Boolean).join(" · "),
          ),
        ),
      ),
    ),
  );
}

/** The newest albums, for a view that has nothing of its own to show. */
export async function arrivals(n) {
  const { groups } = await ask(urlOf("new", `?limit=${n}`));
  return groups;
}

/** Open an artist, an album or a genre. */
export function open(shelf, { key }) {
  state.browse = { shelf, key };
  if (state.tab !== "browse") showTab("browse");
  raiseSheet();
  keepAddress(true);
  show();
}

function shelves() {
  return segments(
    "shelf",
    t("browse.shelf"),
    shelvesNow().map((shelf) => [shelf, t(`browse.${shelf}`)]),
    state.browse.shelf,
    (shelf) => {
      state.browse = { shelf, key: null };
      keepAddress(true);
      show().then(() => document.querySelector("[name=shelf]:checked")?.focus());
    },
  );
}

/** Show the shelf or the group that is open. */
export async function show() {
  const { shelf, key } = state.browse;
  const mine = (asked = `${shelf} ${key}`);
  const panel = $("panel-browse");
  if (shelf === "you")
    fill(panel, shelves(), el("progress", { class: "part", "aria-label": t("browse.you") }));
  try {
    const content =
      shelf === "you"
        ? await youView()
        : key == null
          ? await shelfView(shelf)
          : await groupView(shelf, key);
    if (asked !== mine) return;
    fill(panel, ...content);
    $("panel-body").scrollTop = 0;
  } catch (error) {
    if (asked === mine)
      fill(panel, shelves(), el("p", { class: "error", role: "alert" }, error.message));
  }
  if (state.tab === "browse") mark(listed, { fade: true });
}

async function youView() {
  const { ids, content } = await homeView();
  listed = ids;
  // Who has not listened yet sees what is new.
  if (!ids.length) content.push(el("div", { class: "part" }, grid("new", await arrivals(PAGE))));
  return [
    el("div", { class: "panel-head" }, el("h2", { class: "hidden" }, t("browse.you")), shelves()),
    ...content,
  ];
}

async function shelfView(shelf) {
  const { total, groups } = await ask(urlOf(shelf, `?limit=${PAGE}`));
  listed = [];
  const list = grid(shelf, groups);
  let shown = groups.length;
  const more = button(
    t("more"),
    async () => {
      const next = await ask(urlOf(shelf, `?limit=${PAGE}&offset=${shown}`));
      shown += next.groups.length;
      list.append(...grid(shelf, next.groups).children);
      more.hidden = shown >= next.total;
    },
    { kind: "wide" },
  );
  more.hidden = shown >= total;
  say(t(`browse.count.${shelf}`, { n: total }));
  return [
    el(
      "div",
      { class: "panel-head" },
      el("h2", { class: "hidden" }, t("tab.browse")),
      shelves(),
      el("p", { class: "soft" }, t(`browse.count.${shelf}`, { n: total })),
    ),
    total ? list : el("p", { class: "soft" }, t("browse.none")),
    more,
  ];
}

async function groupView(shelf, key) {
  const path = urlOf(shelf, `/tracks?key=${encodeURIComponent(key)}`);
  const { group, total, tracks } = await ask(path);
  learn(tracks);
  listed = tracks.map(({ id }) => id);
  const seconds = tracks.reduce((sum, card) => sum + (card.seconds ?? 0), 0);
  const { name } = group;
  say(`${name}: ${t("tracks", { n: total })}`);
  return [
    button(
      t("browse.back"),
      () => {
        state.browse = { shelf, key: null };
        keepAddress(true);
        show().then(() => $("panel-browse").querySelector("input:checked")?.focus());
      },
      { kind: "small", icon: "back", id: "browse-back" },
    ),
    el(
      "div",
      { class: "group-head" },
      cover(group.id, name, shelf === "artists" ? "disc" : ""),
      el(
        "div",
        {},
        el("h2", {}, name),
        group.artist && el("p", {}, group.artist),
        el(
          "p",
          { class: "soft" },
          [group.year, t("tracks", { n: total }), clock(seconds)]
            .filter(Boolean)
            .join(" · "),
        ),
        button(t("play-all"), () => play(listed[0], { ids: listed }), {
          icon: "play",
          kind: "primary",
          id: "browse-play",
        }),
      ),
    ),
    trackList(tracks, { numbered: shelf === "albums" || shelf === "new" }),
  ];
}

export function initBrowse() {
  // Where a recommender is served, the view begins with the listener.
  if (state.info?.features.recommend && !address().shelf) state.browse.shelf = "you";
  on("tab", (name) => {
    if (name !== "browse") return;
    if (asked && state.browse.shelf !== "you") mark(listed, { fade: true });
    else show();
  });
  on("judged", () => state.browse.shelf === "you" && state.tab === "browse" && show());
  on("job-done kept", () => {
    asked = "";
    if (state.tab === "browse") show();
  });
}
