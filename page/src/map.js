// The map: all tracks as points, by deck.gl.

import { Deck, LinearInterpolator, OrthographicView } from "@deck.gl/core";
import { LineLayer, ScatterplotLayer } from "@deck.gl/layers";
import { initOverlay, overlay, pointAt, radius } from "./map-overlay.js";
import { loadMap, showState } from "./map-data.js";
import { paint, rgb } from "./colors.js";
import { $, calm, el, narrow } from "./dom.js";
import { showLegend } from "./legend.js";
import { FrameBudget } from "./frame-budget.js";
import { PointsLayer } from "./points-layer.js";
import { placeOf, project, scene, size, view } from "./scene.js";
import { emit, on, recall, remember, state } from "./state.js";
import { t } from "./strings.js";
import { themeNow } from "./theme.js";

const DEEPEST = 9; // doublings of the size beyond the whole map
const COLUMNS = ["genre", "heard", "tempo", "key", "energy", "year", "loudness"];

let deck = null;
const budget = new FrameBudget(draw);

function start() {
  if (!document.createElement("canvas").getContext("webgl2")) {
    showState(
      t("map.webgl"),
      el("span", {}, t("map.webgl.help")),
    );
    return false;
  }
  deck = new Deck({
    parent: $("map-canvas"),
    views: new OrthographicView({ id: "map", flipY: false }),
    controller: {
      scrollZoom: { speed: 0.012, smooth: !calm() },
      inertia: calm() ? 0 : 250,
      doubleClickZoom: true,
      touchRotate: false,
      keyboard: false,
    },
    initialViewState: view,
    layers: [],
    getCursor: ({ isDragging }) => (isDragging ? "grabbing" : scene.hovered ? "pointer" : "grab"),
    onViewStateChange: ({ viewState }) => {
      // Whoever pans far out would find nothing any more.
      viewState.target = viewState.target.map((value, axis) =>
        axis < 2 ? Math.min(1.2, Math.max(-1.2, value)) : value,
      );
      budget.moved(scene.data.ids.length);
      const zoomed = viewState.zoom !== view.zoom;
      view.target = viewState.target;
      view.zoom = viewState.zoom;
      if (zoomed) draw();
      overlay();
      return viewState;
    },
    onResize: () => {
      const before = view.fitted;
      measureFit();
      if (Math.abs(view.zoom - before) < 0.01) fit(false);
      else overlay();
    },
    onLoad: () => {
      // The element around it takes the keyboard.
      $("map-canvas").querySelector("canvas").tabIndex = -1;
    },
    onError: (error) => showState(t("map.failed"), el("span", {}, error.message)),
  });
  // For measurements: what a frame costs is to be seen from outside.
  $("map").deck = deck;
  return true;
}

let waiting = false;
function draw() {
  if (waiting || !deck || !scene.data) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    deck.setProps({ layers: layers() });
  });
}

function colorOf(id) {
  const at = scene.data.places.get(id);
  return at == null ? rgb("#888888") : [...scene.colors.subarray(4 * at, 4 * at + 3)];
}

let last = {};
function drawn() {
  const all = scene.data.ids.length;
  const length = budget.share(all);
  $("map-sample").hidden = length === all;
  $("map-sample").textContent = t("map.sample", { n: length, all });
  // deck.gl looks at the points anew when this is another object, and only then.
  if (last.length !== length || last.attributes !== scene.data.attributes)
    last = { length, attributes: scene.data.attributes };
  return last;
}

function layers() {
  const dark = themeNow() === "dark";
  const ink = dark ? [236, 240, 245] : [20, 24, 30];
  const paper = dark ? [13, 16, 20] : [255, 255, 255];
  const r = radius();
  const marks = scene.marked.map((id) => ({ id, at: placeOf(id) })).filter(({ at }) => at);
  const shown = scene.lines
    .map(([a, b, strength]) => ({ a: placeOf(a), b: placeOf(b), strength }))
    .filter(({ a, b }) => a && b);
  const chosen = state.chosen && placeOf(state.chosen);
  return [
    new PointsLayer({
      id: "tracks",
      data: drawn(),
      radius: r,
      opacity: scene.focus ? (dark ? 0.3 : 0.26) : 0.88,
    }),
    new LineLayer({
      id: "lines",
      data: shown,
      getSourcePosition: ({ a }) => a,
      getTargetPosition: ({ b }) => b,
      getColor: ({ strength }) => [...ink, 60 + 130 * strength],
      getWidth: ({ strength }) => 1 + 1.5 * strength,
      widthUnits: "pixels",
    }),
    new ScatterplotLayer({
      id: "marked",
      data: marks,
      getPosition: ({ at }) => at,
      getFillColor: ({ id }) => colorOf(id),
      getLineColor: [...paper, 255],
      getRadius: Math.max(r + 1, 5),
      radiusUnits: "pixels",
      stroked: true,
      getLineWidth: 1.5,
      lineWidthUnits: "pixels",
    }),
    new ScatterplotLayer({
      id: "chosen",
      data: chosen ? [chosen] : [],
      getPosition: (at) => at,
      getFillColor: colorOf(state.chosen),
      getLineColor: [...ink, 255],
      getRadius: Math.max(r + 2, 7),
      radiusUnits: "pixels",
      stroked: true,
      getLineWidth: 2.5,
      lineWidthUnits: "pixels",
      updateTriggers: { getFillColor: [state.chosen, scene.colors], getLineColor: dark },
    }),
  ];
}

function recolor() {
  if (!scene.data) return;
  const choices = COLUMNS.filter((name) => scene.data.columns[name]);
  const wanted = [recall("colors", null), scene.data.telling, choices[0]];
  const by = wanted.find((name) => choices.includes(name));
  scene.by = by;
  const painted = paint(by, scene.data.columns[by], scene.data.ids.length, themeNow(), {
    only: scene.only,
    places: scene.data.names[by] ?? [],
  });
  scene.colors = painted.colors;
  scene.data.attributes = {
    getPosition: scene.data.positions,
    getColor: { value: scene.colors, size: 4, normalized: true },
  };
  showLegend({
    choices,
    by,
    only: scene.only,
    ...painted,
    onchange: (name) => {
      remember("colors", name);
      scene.only = null;
      recolor();
    },
    ononly: (key) => {
      scene.only = scene.only === key ? null : key;
      recolor();
    },
  });
  draw();
  overlay();
}

function measureFit() {
  const [width, height] = size();
  let [left, right, low, high] = [1, -1, 1, -1];
  for (let i = 0; i < scene.data.points.length; i += 2) {
    left = Math.min(left, scene.data.points[i]);
    right = Math.max(right, scene.data.points[i]);
    low = Math.min(low, scene.data.points[i + 1]);
    high = Math.max(high, scene.data.points[i + 1]);
  }
  // The legend and the buttons cover no points: they get margins of their own.
  const margin = narrow()
    ? { left: 26, right: 26, top: 64, bottom: 40 }
    : { left: 226, right: 74, top: 44, bottom: 30 };
  const [w, h] = [Math.max(right - left, 0.1), Math.max(high - low, 0.1)];
  const free = [width - margin.left - margin.right, height - margin.top - margin.bottom].map(
    (side) => Math.max(side, 60),
  );
  view.fitted = Math.log2(Math.min(free[0] / w, free[1] / h));
  const aside = [(margin.right - margin.left) / 2, (margin.top - margin.bottom) / 2].map(
    (shift) => shift / 2 ** view.fitted,
  );
  return [(left + right) / 2 + aside[0], (low + high) / 2 + aside[1], 0];
}

function go(target, zoom, animate = true) {
  const limits = { minZoom: view.fitted - 1, maxZoom: view.fitted + DEEPEST };
  const moves =
    animate && !calm()
      ? {
          transitionDuration: 350,
          transitionInterpolator: new LinearInterpolator(["target", "zoom"]),
        }
      : {};
  const clamped = Math.min(limits.maxZoom, Math.max(limits.minZoom, zoom));
  // Only a new object is a new state for deck.gl.
  deck?.setProps({ initialViewState: { target: [...target], zoom: clamped, ...limits, ...moves } });
  if (!moves.transitionDuration) {
    Object.assign(view, { target, zoom: clamped });
    draw();
    overlay();
  }
}

export function fit(animate = true) {
  if (scene.data?.ids.length) go(measureFit(), view.fitted, animate);
}

export const zoomBy = (steps) => scene.data && go(view.target, view.zoom + steps);

export function panBy(dx, dy) {
  const scale = 2 ** view.zoom;
  if (scene.data) go([view.target[0] + dx / scale, view.target[1] + dy / scale, 0], view.zoom);
}

/** Bring a track into sight; the view only moves if it lies outside or near an edge. */
export function reveal(id, closer = false) {
  const at = placeOf(id);
  if (!at || !deck) return;
  const [left, top] = project(at);
  const [width, height] = size();
  const inside =
    left > width * 0.12 && left < width * 0.88 && top > height * 0.14 && top < height * 0.86;
  const zoom = closer
    ? Math.max(view.zoom, view.fitted + Math.min(2.5, Math.log10(scene.data.ids.length) / 2))
    : view.zoom;
  if (!inside || zoom !== view.zoom) go([...at, 0], zoom);
}

/** Mark an answer's tracks; `pairs` are lines between ids. */
export function mark(ids, { pairs = [], fade = false } = {}) {
  scene.marked = ids;
  scene.lines = pairs;
  scene.focus = fade && ids.length > 0;
  if (scene.data) {
    draw();
    overlay();
  }
}

/** Show where a file of the user's landed. */
export function land(id, place) {
  scene.upload = place ? { id, place } : null;
  if (scene.data) overlay();
  if (place) reveal(id, true);
}

/** Fetch the map anew and show it. */
export function refreshMap() {
  const first = !scene.data;
  return loadMap(() => {
    if (!deck && !start()) return;
    recolor();
    if (first) fit(false);
    else overlay();
    emit("map", scene.data);
  });
}

export function initMap() {
  initOverlay();
  on("theme", recolor);
  on("chosen playing", () => {
    $("zoom-track").disabled = !(state.chosen ?? state.playing);
    draw();
    overlay();
  });
  on("hint", (id) => pointAt(id));
  showState(t("map.loading"), el("progress", { "aria-label": t("map") }));
  return refreshMap();
}
