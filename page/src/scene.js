// What the map shows, and from where: shared by those who draw it, label it and move it.

import { $ } from "./dom.js";

export const scene = {
  data: null, // of the map: ids, points, places by id, columns, grid, names, telling
  by: null, // the column that gives the colors
  colors: null, // bytes r g b a of each point
  only: null, // the legend's entry that is alone to be seen
  marked: [], // ids of an answer, best first
  lines: [], // pairs of ids with a strength in [0, 1]
  focus: false, // whether all but the marked fade
  hovered: null, // id under the pointer
  upload: null, // where a file of the user's landed: {id, place}
};

export const view = { target: [0, 0, 0], zoom: 8, fitted: 8 };

/** Where a track lies, or nothing. */
export function placeOf(id) {
  if (scene.upload?.id === id) return scene.upload.place;
  const at = scene.data?.places.get(id);
  return at == null ? null : [scene.data.points[2 * at], scene.data.points[2 * at + 1]];
}

export const size = () => [$("map-canvas").clientWidth, $("map-canvas").clientHeight];

/** Where a place is on the screen, in pixels from the map's corner. */
export function project([x, y]) {
  const scale = 2 ** view.zoom;
  const [width, height] = size();
  return [width / 2 + (x - view.target[0]) * scale, height / 2 - (y - view.target[1]) * scale];
}

/** The place under a point of the screen. */
export function unproject(left, top) {
  const scale = 2 ** view.zoom;
  const [width, height] = size();
  return [view.target[0] + (left - width / 2) / scale, view.target[1] - (top - height / 2) / scale];
}
