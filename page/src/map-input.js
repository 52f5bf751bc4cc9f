// What the map does with pointer, keys and buttons.

import { pointAt, reticle } from "./map-overlay.js";
import { $, calm, later } from "./dom.js";
import { fit, panBy, reveal, zoomBy } from "./map.js";
import { scene, unproject, view } from "./scene.js";
import { emit, state } from "./state.js";

const REACH = 14; // pixels around the pointer

function under(event) {
  if (!scene.data) return null;
  const box = $("map-canvas").getBoundingClientRect();
  const [x, y] = unproject(event.clientX - box.left, event.clientY - box.top);
  const reach = (event.pointerType === "touch" ? 2 : 1) * REACH;
  const at = scene.data.grid.nearest(x, y, reach / 2 ** view.zoom);
  return at < 0 ? null : scene.data.ids[at];
}

export function initMapInput() {
  const canvas = $("map-canvas");
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
    const at = scene.data.grid.nearest(view.target[0], view.target[1], 60 / 2 ** view.zoom);
    pointAt(at < 0 ? null : scene.data.ids[at], true);
  });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !scene.data) return;
    const step = steps[event.key];
    if (step) panBy(step[0] * 90, step[1] * 90);
    else if (event.key === "+" || event.key === "=") zoomBy(0.7);
    else if (event.key === "-" || event.key === "_") zoomBy(-0.7);
    else if (event.key === "0") fit();
    else if (event.key === "Enter" && scene.hovered) return emit("pick", scene.hovered);
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
