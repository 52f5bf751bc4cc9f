// The map: all tracks as points, by deck.gl; names, marks and the legend lie above it as HTML.

import { Deck, LinearInterpolator, OrthographicView } from "@deck.gl/core";
import { LineLayer, ScatterplotLayer } from "@deck.gl/layers";
import { fetched } from "./api.js";
import { artistOf, cardOf, known, nameOf, titleOf } from "./cards.js";
import { paint, rgb } from "./colors.js";
import { $, calm, el, later, narrow, say } from "./dom.js";
import { Grid } from "./grid.js";
import { placesOf, showLabels } from "./labels.js";
import { showLegend } from "./legend.js";
import { Pace } from "./pace.js";
import { PointsLayer } from "./points.js";
import { emit, on, recall, remember, state } from "./state.js";
import { themeNow } from "./theme.js";

const REACH = 14; // pixels around the pointer
const DEEPEST = 9; // doublings of the size beyond the whole map
const NAMES = 28; // of genres on the map
const COLUMNS = ["genre", "tempo", "key", "energy", "year", "loudness"];

const view = { target: [0, 0, 0], zoom: 8 };
let fitted = 8;
let deck = null;
let data = null; // ids, positions, places by id, columns
let colors = null;
let only = null; // the legend's entry that is alone to be seen
let lines = []; // pairs of ids with a strength in [0, 1]
let marked = []; // ids of an answer, best first
let focus = false; // whether all but the marked fade
let hovered = null;
let upload = null; // {place, id}
const pace = new Pace(draw);

export const mapData = () => data;

/** Where a track lies, or nothing. */
export function placeOf(id) {
  if (upload?.id === id) return upload.place;
  const at = data?.places.get(id);
  return at == null ? null : [data.points[2 * at], data.points[2 * at + 1]];
}

export const size = () => [$("map-canvas").clientWidth, $("map-canvas").clientHeight];

/** Where a place is on the screen, in pixels from the map's corner. */
export function project([x, y]) {
  const scale = 2 ** view.zoom;
  const [width, height] = size();
  return [width / 2 + (x - view.target[0]) * scale, height / 2 - (y - view.target[1]) * scale];
}

function unproject(left, top) {
  const scale = 2 ** view.zoom;
  const [width, height] = size();
  return [view.target[0] + (left - width / 2) / scale, view.target[1] - (top - height / 2) / scale];
}

// ---------------------------------------------------------------- data

/** Fetch the map; while the service still computes it, say how far it is and ask again. */
export async function loadMap() {
  try {
    const answer = await fetched("/v1/map");
    if (answer.status === 202) {
      showComputing((await answer.json()).job);
      setTimeout(loadMap, 2000);
      return;
    }
    takeMap(await answer.json());
  } catch (error) {
    showState(error.message);
  }
}

function showComputing(job) {
  const share = job?.total ? job.done / job.total : null;
  showState(
    "The map is being drawn",
    el(
      "progress",
      share == null ? { "aria-label": "Map" } : { value: share, max: 1, "aria-label": "Map" },
    ),
    el("span", {}, "Search and lists already work."),
  );
}

function showState(text, ...rest) {
  $("map-state").replaceChildren(...(text ? [el("b", {}, text), ...rest] : []));
  $("map-state").hidden = !text;
}

/** Put tracks in an order of which every beginning is spread over the whole. */
function spread({ ids, x, y, columns }) {
  const n = ids.length;
  let step = Math.max(1, Math.round(n * 0.618));
  const common = (a, b) => (b ? common(b, a % b) : a);
  while (common(step, n) > 1) step++;
  const along = (values) => values.map((_, i) => values[(i * step) % n]);
  const column = (one) =>
    Array.isArray(one) ? along(one) : { names: one.names, codes: along(one.codes) };
  const spreadColumns = Object.fromEntries(
    Object.entries(columns).map(([name, one]) => [name, column(one)]),
  );
  return { ids: along(ids), x: along(x), y: along(y), columns: spreadColumns };
}

function takeMap(answer) {
  const found = spread(answer);
  const n = found.ids.length;
  const points = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) {
    points[2 * i] = found.x[i];
    points[2 * i + 1] = found.y[i];
  }
  const first = !data;
  data = {
    ids: found.ids,
    points,
    places: new Map(found.ids.map((id, i) => [id, i])),
    columns: found.columns,
    grid: new Grid(points),
    positions: { value: points, size: 2 },
    names: found.columns.genre ? placesOf(found.columns.genre, points) : [],
  };
  if (!n) {
    showState(
      "Nothing is here yet",
      el(
        "span",
        {},
        "Embed a folder with ",
        el("code", {}, "musicu embed FOLDER"),
        ", or drop a file.",
      ),
    );
  } else showState("");
  if (!deck && !start()) return;
  recolor();
  if (first) fit(false);
  emit("map", data);
}

// ---------------------------------------------------------------- drawing

function start() {
  if (!document.createElement("canvas").getContext("webgl2")) {
    showState(
      "The map needs WebGL 2",
      el("span", {}, "This browser has none; search, lists and player work without it."),
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
    getCursor: ({ isDragging }) => (isDragging ? "grabbing" : hovered ? "pointer" : "grab"),
    onViewStateChange: ({ viewState }) => {
      // Whoever pans far out would find nothing any more.
      viewState.target = viewState.target.map((value, axis) =>
        axis < 2 ? Math.min(1.2, Math.max(-1.2, value)) : value,
      );
      pace.moved(data.ids.length);
      const zoomed = viewState.zoom !== view.zoom;
      view.target = viewState.target;
      view.zoom = viewState.zoom;
      if (zoomed) draw();
      overlay();
      return viewState;
    },
    onResize: () => {
      const before = fitted;
      measureFit();
      if (Math.abs(view.zoom - before) < 0.01) fit(false);
      else overlay();
    },
    onLoad: () => {
      // The element around it takes the keyboard.
      $("map-canvas").querySelector("canvas").tabIndex = -1;
    },
    onError: (error) => showState("The map cannot be drawn", el("span", {}, error.message)),
  });
  // For measurements: what a frame costs is to be seen from outside.
  $("map").deck = deck;
  return true;
}

/** Size of a point: as large as so many can be, growing slowly with the zoom. */
function radius() {
  const [width, height] = size();
  const least = Math.min(
    narrow() ? 5 : 7,
    Math.max(1.15, 0.2 * Math.sqrt((width * height) / data.ids.length)),
  );
  return Math.min(least * 2 ** (0.42 * (view.zoom - fitted)), Math.max(least, 8));
}

let waiting = false;
function draw() {
  if (waiting || !deck || !data) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    deck.setProps({ layers: layers() });
  });
}

function colorOf(id) {
  const at = data.places.get(id);
  return at == null ? rgb("#888888") : [...colors.subarray(4 * at, 4 * at + 3)];
}

let last = {};
function drawn() {
  const length = pace.share(data.ids.length);
  // deck.gl looks at the points anew when this is another object, and only then.
  if (last.length !== length || last.attributes !== data.attributes)
    last = { length, attributes: data.attributes };
  return last;
}

function layers() {
  const dark = themeNow() === "dark";
  const ink = dark ? [236, 240, 245] : [20, 24, 30];
  const paper = dark ? [13, 16, 20] : [255, 255, 255];
  const r = radius();
  const marks = marked.map((id) => ({ id, at: placeOf(id) })).filter(({ at }) => at);
  const shown = lines
    .map(([a, b, strength]) => ({ a: placeOf(a), b: placeOf(b), strength }))
    .filter(({ a, b }) => a && b);
  const chosen = state.chosen && placeOf(state.chosen);
  return [
    new PointsLayer({
      id: "tracks",
      data: drawn(),
      radius: r,
      opacity: focus ? (dark ? 0.3 : 0.26) : 0.88,
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
      updateTriggers: { getFillColor: [state.chosen, colors], getLineColor: dark },
    }),
  ];
}

function recolor() {
  if (!data) return;
  const choices = COLUMNS.filter((name) => data.columns[name]);
  const saved = recall("colors", "genre");
  const by = choices.includes(saved) ? saved : choices[0];
  const painted = paint(by, data.columns[by], data.ids.length, themeNow(), {
    only,
    places: data.names,
  });
  colors = painted.colors;
  data.attributes = {
    getPosition: data.positions,
    getColor: { value: colors, size: 4, normalized: true },
  };
  showLegend({
    choices,
    by,
    only,
    ...painted,
    onchange: (name) => {
      remember("colors", name);
      only = null;
      recolor();
    },
    ononly: (key) => {
      only = only === key ? null : key;
      recolor();
    },
  });
  draw();
  overlay();
}

// ---------------------------------------------------------------- what lies above

function put(node, at) {
  const [left, top] = project(at);
  node.style.transform = `translate(${left.toFixed(1)}px, ${top.toFixed(1)}px)`;
}

const pulse = el("i", { class: "pulse", hidden: true });
const landing = el("i", { class: "landing", hidden: true });
const hint = el("i", { class: "hint", hidden: true });
const reticle = el("i", { class: "reticle", hidden: true });

function overlay() {
  if (!data) return;
  for (const [node, at] of [
    [pulse, state.playing && placeOf(state.playing)],
    [landing, upload?.place],
    [hint, hovered && placeOf(hovered)],
  ]) {
    node.hidden = !at;
    if (at) put(node, at);
  }
  moveTip();
  const names = [];
  const shownTitles =
    state.chosen && placeOf(state.chosen)
      ? [state.chosen, ...marked.slice(0, 6)]
      : marked.slice(0, 6);
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
  if (view.zoom < fitted + 3) {
    // Among few and large points, a name stands above its own; among many, in their middle.
    const lift = data.ids.length < 500 ? radius() + 13 : 0;
    names.push(
      ...data.names
        .slice(0, NAMES)
        .map((name) => ({ ...name, lift, kind: focus ? "faint" : "genre" })),
    );
  }
  showLabels(names, project, size(), narrow() ? 44 : 4);
}

function moveTip() {
  const at = hovered && placeOf(hovered);
  const card = hovered && known(hovered);
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
  if (!card || hovered !== id) return;
  moveTip();
  if (aloud) say(nameOf(card));
});

/** Point at a track: with the pointer, from a list, or in the middle by the keyboard. */
export function pointAt(id, aloud = false) {
  if (id === hovered) return;
  hovered = id;
  fetchName.cancel();
  if (id) known(id) ? aloud && say(nameOf(known(id))) : fetchName(id, aloud);
  if (data) overlay();
}

// ---------------------------------------------------------------- moving

function measureFit() {
  const [width, height] = size();
  let [left, right, low, high] = [1, -1, 1, -1];
  for (let i = 0; i < data.points.length; i += 2) {
    left = Math.min(left, data.points[i]);
    right = Math.max(right, data.points[i]);
    low = Math.min(low, data.points[i + 1]);
    high = Math.max(high, data.points[i + 1]);
  }
  // The legend and the buttons cover no points: they get margins of their own.
  const margin = narrow()
    ? { left: 26, right: 26, top: 64, bottom: 40 }
    : { left: 226, right: 74, top: 44, bottom: 30 };
  const [w, h] = [Math.max(right - left, 0.1), Math.max(high - low, 0.1)];
  const free = [width - margin.left - margin.right, height - margin.top - margin.bottom].map(
    (side) => Math.max(side, 60),
  );
  fitted = Math.log2(Math.min(free[0] / w, free[1] / h));
  const aside = [(margin.right - margin.left) / 2, (margin.top - margin.bottom) / 2].map(
    (shift) => shift / 2 ** fitted,
  );
  return [(left + right) / 2 + aside[0], (low + high) / 2 + aside[1], 0];
}

function go(target, zoom, animate = true) {
  const limits = { minZoom: fitted - 1, maxZoom: fitted + DEEPEST };
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
  if (data?.ids.length) go(measureFit(), fitted, animate);
}

export const zoomBy = (steps) => data && go(view.target, view.zoom + steps);

export function panBy(dx, dy) {
  const scale = 2 ** view.zoom;
  if (data) go([view.target[0] + dx / scale, view.target[1] + dy / scale, 0], view.zoom);
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
    ? Math.max(view.zoom, fitted + Math.min(2.5, Math.log10(data.ids.length) / 2))
    : view.zoom;
  if (!inside || zoom !== view.zoom) go([...at, 0], zoom);
}

/** Mark an answer's tracks; `pairs` are lines between ids. */
export function mark(ids, { pairs = [], fade = false } = {}) {
  marked = ids;
  lines = pairs;
  focus = fade && ids.length > 0;
  if (data) {
    draw();
    overlay();
  }
}

/** Show where a file of the user's landed. */
export function land(id, place) {
  upload = place ? { id, place } : null;
  if (data) overlay();
  if (place) reveal(id, true);
}

// ---------------------------------------------------------------- hands

function under(event) {
  if (!data) return null;
  const box = $("map-canvas").getBoundingClientRect();
  const [x, y] = unproject(event.clientX - box.left, event.clientY - box.top);
  const reach = (event.pointerType === "touch" ? 2 : 1) * REACH;
  const at = data.grid.nearest(x, y, reach / 2 ** view.zoom);
  return at < 0 ? null : data.ids[at];
}

function listen() {
  const canvas = $("map-canvas");
  $("map-marks").append(landing, pulse, hint, reticle);
  let down = null;
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons || event.pointerType === "touch") return;
    reticle.hidden = true;
    pointAt(under(event));
  });
  canvas.addEventListener("pointerleave", () => pointAt(null));
  canvas.addEventListener("pointerdown", (event) => {
    down = event.isPrimary && event.button === 0 ? [event.clientX, event.clientY] : null;
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!down || Math.hypot(event.clientX - down[0], event.clientY - down[1]) > 6) return;
    const id = under(event);
    if (id) emit("pick", id);
  });
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const aim = later(calm() ? 0 : 380, () => {
    if (reticle.hidden) return;
    const at = data.grid.nearest(view.target[0], view.target[1], 60 / 2 ** view.zoom);
    pointAt(at < 0 ? null : data.ids[at], true);
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !data) return;
    const step = steps[event.key];
    if (step) panBy(step[0] * 90, step[1] * 90);
    else if (event.key === "+" || event.key === "=") zoomBy(0.7);
    else if (event.key === "-" || event.key === "_") zoomBy(-0.7);
    else if (event.key === "0") fit();
    else if (event.key === "Enter" && hovered) return emit("pick", hovered);
    else return;
    event.preventDefault();
    reticle.hidden = false;
    aim();
  });
  canvas.addEventListener("blur", () => {
    reticle.hidden = true;
    pointAt(null);
  });
  $("zoom-in").onclick = () => zoomBy(1);
  $("zoom-out").onclick = () => zoomBy(-1);
  $("zoom-fit").onclick = () => fit();
  $("zoom-track").onclick = () => reveal(state.chosen ?? state.playing, true);
  $("brand").onclick = (event) => {
    event.preventDefault();
    fit();
  };
}

export function initMap() {
  listen();
  on("theme", recolor);
  on("chosen playing", () => {
    $("zoom-track").disabled = !(state.chosen ?? state.playing);
    draw();
    if (data) overlay();
  });
  on("hint", (id) => pointAt(id));
  showState("Loading the map", el("progress", { "aria-label": "Map" }));
  return loadMap();
}
