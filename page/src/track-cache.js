// What is known of tracks: cards that came with answers, and details that were asked for.

import { t } from "./strings.js";
import { ask, trackPath } from "./api.js";
import { state } from "./state.js";

const MOST = 20000;
const cards = new Map();
const details = new Map();

function keep(map, id, value) {
  map.delete(id);
  map.set(id, value);
  if (map.size > MOST) map.delete(map.keys().next().value);
  return value;
}

/** Keep the cards of an answer, and return them. */
export function learn(list) {
  for (const card of list) keep(cards, card.id, card);
  return list;
}

/** What is known of a track now, or nothing. */
export const known = (id) => state.uploads.get(id) ?? cards.get(id);

/** All that the catalog knows of a track; asked for once. */
export function detailsOf(id) {
  if (state.uploads.has(id)) return Promise.resolve(state.uploads.get(id));
  if (!details.has(id)) {
    const answer = ask(trackPath(id)).then((found) => {
      const genres = listOf(found.genres);
      // A track without tags goes by its file's name.
      const title = found.title || fileName(found.files?.[0]);
      keep(cards, id, { ...found, key: found.detected_key, ...cards.get(id), title, genres });
      return { ...found, title, genres, sound_tags: found.sound_tags ?? {} };
    });
    keep(details, id, answer);
    answer.catch(() => details.delete(id));
  }
  return details.get(id);
}

export async function cardOf(id) {
  return known(id) ?? (await detailsOf(id), known(id));
}

export function forgetDetails() {
  details.clear();
}

const listOf = (value) => (Array.isArray(value) ? value : value ? [value] : []);

const fileName = (path) => path?.split(/[\\/]/).pop().replace(/\.[^.]+$/, "");

export const titleOf = (card) => card?.title || fileName(card?.file) || t("untitled");
export const artistOf = (card) => card?.artist || t("unknown-artist");
export const nameOf = (card) =>
  card?.artist ? t("by", { title: titleOf(card), artist: card.artist }) : titleOf(card);
