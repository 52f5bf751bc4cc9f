// For a listener: what a recommender that is served makes of what was played in this browser.

import { ask } from "./api.js";
import { button, el } from "./dom.js";
import { anyHistory, forgetListening, history, judge } from "./listening.js";
import { trackList } from "./rows.js";
import { t } from "./strings.js";
import { cardOf, titleOf } from "./track-cache.js";

const ASKED = 60;
const FIRST = 12; // tracks of the first list
const FEWEST = 2; // tracks that make a list of their own
const LISTS = 2; // lists "because you played"

/** Divide what is recommended: the best, those because of one track, and what is new to all. */
function divided(found) {
  const best = found.slice(0, FIRST);
  const rest = found.slice(FIRST);
  const because = Map.groupBy(rest, (one) => one.because[0]?.id);
  because.delete(undefined);
  const lists = [...because.values()]
    .filter((list) => list.length >= FEWEST)
    .sort((a, b) => b.length - a.length)
    .slice(0, LISTS);
  const radar = rest.filter((one) => one.is_new && !lists.flat().includes(one));
  return { best, lists, radar };
}

/** Rows of what is recommended; only a track without a title is asked for. */
const cards = (found) =>
  Promise.all(
    found.map(async ({ id, title, artist, album, words }) => {
      const card = title ? { id, title, artist, album } : await cardOf(id).catch(() => ({ id }));
      return { ...card, words };
    }),
  );

async function part(title, found) {
  const list = await cards(found);
  if (!list.length) return null;
  return el(
    "section",
    { class: "part" },
    el("h3", {}, title),
    trackList(list, { judged: (id) => judge(id, -1), score: ({ album }) => album ?? "" }),
  );
}

/** The view's content, and the ids it names. */
export async function homeView() {
  if (!anyHistory()) return { ids: [], content: [el("p", {}, t("home.empty"))] };
  const json = { ...history(), n: ASKED, max_per_artist: 3 };
  const { recommendations } = await ask("/v1/recommend", { json });
  const { best, lists, radar } = divided(recommendations);
  const content = await Promise.all([
    part(t("home.best"), best),
    ...lists.map((list) =>
      part(t("home.because", { title: titleOf(list[0].because[0]) }), list.slice(0, FIRST)),
    ),
    part(t("home.radar"), radar.slice(0, FIRST)),
  ]);
  return {
    ids: recommendations.map(({ id }) => id),
    content: [
      ...content,
      el("p", { class: "soft part" }, t("home.kept")),
      button(t("home.forget"), forgetListening, { kind: "small", id: "home-forget" }),
    ],
  };
}
