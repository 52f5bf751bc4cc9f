// What lies above the points: marks, names, and the tip at the track that is pointed at.

import { artistOf, cardOf, known, nameOf, titleOf } from "./track-cache.js";
import { $, el, later, narrow, say } from "./dom.js";
import { showLabels } from "./labels.js";
import { placeOf, project, scene, size, view } from "./scene.js";
import { state } from "./state.js";

const NAMES = 28; // of genres on the map

/** Size of a point: as large as so many can be, growing slowly with the zoom. */
export function radius() {
  const [width, height] = size();
  const least = Math.min(
    narrow() ? 5 : 7,
    Math.max(1.15, 0.2 * Math.sqrt((width * height) / scene.data.ids.length)),
  );
  return Math.min(least * 2 ** (0.42 * (view.zoom - view.fitted)), Math.max(least, 8));
}

function put(node, at) {
  const [left, top] = project(at);
  node.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)`;
}

const pulse = el("i", { class: "pulse", hidden: true });
const landing = el("i", { class: "landing", hidden: true });
const hint = el("i", { class: "hint", hidden: true });
export const reticle = el("i", { class: "reticle", hidden: true });

/** Put marks, tip and names where their tracks are now. */
export function overlay() {
  if (!scene.data) return;
  for (const [node, at] of [
    [pulse, state.playing && placeOf(state.playing)],
    [landing, scene.upload?.place],
    [hint, scene.hovered && placeOf(scene.hovered)],
  ]) {
    node.hidden = !at;
    if (at) put(node, at);
  }
  moveTip();
  const names = [];
  const shownTitles =
    state.chosen && placeOf(state.chosen)
      ? [state.chosen, ...scene.marked.slice(0, 6)]
      : scene.marked.slice(0, 6);
  for (const id of [...new Set(shownTitles)]) {
    const [card, at] = [known(id), placeOf(id)];
    if (card && at)
      names.push({
        text: titleOf(card),
        at,
        lift: Math.max(radius() + 2, 7),
        kind: id === state.chosen ? "chosen" : "title",
      });
  }
  if (view.zoom < view.fitted + 3) {
    // Among few and large points, a name stands above its own; among many, in their middle.
    const lift = scene.data.ids.length < 500 ? radius() + 13 : 0;
    names.push(
      ...(scene.data.names[scene.by] ?? scene.data.names[scene.data.telling] ?? [])
        .slice(0, NAMES)
        .map((name) => ({ ...name, lift, kind: scene.focus ? "faint" : "genre" })),
    );
  }
  showLabels(names, project, size(), narrow() ? 44 : 4);
}

function moveTip() {
  const at = scene.hovered && placeOf(scene.hovered);
  const card = scene.hovered && known(scene.hovered);
  const tip = $("map-tip");
  tip.hidden = !at || !card;
  if (tip.hidden) return;
  tip.replaceChildren(
    el("b", {}, titleOf(card)),
    el("span", {}, [artistOf(card), card.year].filter(Boolean).join(" · ")),
  );
  const [left, top] = project(at);
  const [width] = size();
  const half = tip.offsetWidth / 2;
  const x = Math.min(Math.max(left, half + 8), width - half - 8);
  const below = top < tip.offsetHeight + 24;
  tip.style.transform = `translate(${(x - half).toFixed(1)}px, ${(below ? top + 16 : top - tip.offsetHeight - 14).toFixed(1)}px)`;
}

const fetchName = later(70, async (id, aloud) => {
  const card = await cardOf(id).catch(() => null);
  if (!card || scene.hovered !== id) return;
  moveTip();
  if (aloud) say(nameOf(card));
});

/** Point at a track: with the pointer, from a list, or in the middle by the keyboard. */
export function pointAt(id, aloud = false) {
  if (id === scene.hovered) return;
  scene.hovered = id;
  fetchName.cancel();
  if (id) known(id) ? aloud && say(nameOf(known(id))) : fetchName(id, aloud);
  if (scene.data) overlay();
}

export const initOverlay = () => $("map-marks").append(landing, pulse, hint, reticle);
