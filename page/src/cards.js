// What is known of tracks: cards that came with answers, and details that were asked for.

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
      if (!cards.has(id))
        keep(cards, id, { ...found, genres, key: found.detected_key ?? found.key });
      return { ...found, genres, sound_tags: parsed(found.sound_tags) ?? {} };
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

export function parsed(value) {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function listOf(value) {
  const list = parsed(value);
  return Array.isArray(list) ? list : list ? [list] : [];
}

export const titleOf = (card) => card?.title || "Untitled";
export const artistOf = (card) => card?.artist || "Unknown artist";
export const nameOf = (card) =>
  card?.artist ? `${titleOf(card)} by ${card.artist}` : titleOf(card);
