// Small helpers around the document. Styles are only ever set by CSSOM: the service's policy
// forbids style attributes.

import { t } from "./strings.js";

export const $ = (id) => document.getElementById(id);

/** Make an element: properties, then children (nodes, strings, or nothing). */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "vars") setVars(node, value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "class") node.className = value;
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  return fill(node, ...children);
}

/** Replace what a node holds; what is null or false is left out. */
export function fill(node, ...children) {
  node.replaceChildren(
    ...children.flat().filter((child) => child != null && child !== false && child !== ""),
  );
  return node;
}

export function setVars(node, values) {
  for (const [name, value] of Object.entries(values)) node.style.setProperty(`--${name}`, value);
}

const PATHS = {
  play: ["solid", "M6 3.8v12.4L16 10z"],
  pause: ["solid", "M5.5 4h3.2v12H5.500zM11.3 4h3.200v12h-3.200z"],
  more: ["", "M5.5 8 10 12.5 14.5 8"],
  back: ["", "M12.5 4.500 7 10l5.5 5.5"],
  browse: ["", "M3.500 3.500h5v5h-5zM11.500 3.500h5v5h-5zM3.500 11.500h5v5h-5zM11.500 11.500h5v5h-5z"],
  open: ["", "M7.5 4.5 13 10l-5.5 5.5"],
  plus: ["", "M10 4.500v11M4.5 10h11"],
  minus: ["", "M4.5 10h11"],
  cross: ["", "m5.5 5.5 9 9M14.5 5.500l-9 9"],
  up: ["", "M10 15.500v-11M5.5 9 10 4.5 14.5 9"],
  down: ["", "M10 4.500v11M5.5 11l4.5 4.500L14.5 11"],
  search: ["", "M14 8.500a5.5 5.5 0 1 1-11 0 5.5 5.5 0 0 1 11 0ZM12.7 12.700l4.3 4.3"],
  track: [
    "",
    "M8 14.500a2.3 2.3 0 1 1-4.6 0 2.3 2.3 0 0 1 4.6 0ZM8 14.500V4.500l8-1.500v10M16 13a2.3 2.3 0 1 1-4.6 0 2.3 2.3 0 0 1 4.6 0Z",
  ],
  similar: [
    "",
    "M12 8a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0ZM17 12a4.5 4.5 0 1 1-9 0 4.5 4.5 0 0 1 9 0Z",
  ],
  playlist: ["", "M3 5h10M3 10h10M3 15h6M15 12v5M12.5 14.500h5"],
  heart: ["", "M10 16.500 4 10.500a3.6 3.6 0 0 1 5.100-5.100l.9.9.9-.9A3.6 3.6 0 0 1 16 10.500Z"],
  journey: [
    "",
    "M6.5 15.500a2 2 0 1 1-4 0 2 2 0 0 1 4 0ZM17.5 4.500a2 2 0 1 1-4 0 2 2 0 0 1 4 0ZM6.5 15.500H12a3 3 0 0 0 0-6H8a2.5 2.5 0 0 1 0-5h5.5",
  ],
  library: ["", "M4 3.500v13M8 3.500v13M11.5 4l4.5 12"],
  save: ["", "M10 3.500v9M6 9l4 4 4-4M3.5 16.500h13"],
  sun: [
    "",
    "M13.2 10a3.2 3.2 0 1 1-6.4 0 3.2 3.2 0 0 1 6.4 0ZM10 2v2M10 16v2M2 10h2M16 10h2M4.3 4.300l1.5 1.500M14.2 14.200l1.5 1.500M4.3 15.700l1.5-1.500M14.2 5.800l1.5-1.5",
  ],
  moon: ["", "M16.5 11.800A7 7 0 0 1 8.2 3.500a7 7 0 1 0 8.3 8.300Z"],
};

/** Make one of the icons above; decoration only, names are the buttons' own. */
export function icon(name) {
  const [kind, path] = PATHS[name];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", `icon ${kind}`);
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

export function button(label, onclick, { icon: shape, kind = "", ...rest } = {}) {
  return el(
    "button",
    { type: "button", class: `button ${kind}`, onclick, ...rest },
    shape && icon(shape),
    label,
  );
}

export function iconButton(label, shape, onclick, rest = {}) {
  const properties = { type: "button", class: "round", "aria-label": label, title: label, onclick };
  return el("button", { ...properties, ...rest }, icon(shape));
}

/** Make a row of radio buttons that look like one switch. */
export function segments(name, legend, choices, chosen, onchange) {
  return el(
    "fieldset",
    { class: "segments" },
    el("legend", { class: "hidden" }, legend),
    choices.map(([value, text]) =>
      el(
        "label",
        {},
        el("input", {
          type: "radio",
          name,
          value,
          checked: value === chosen,
          onchange: () => onchange(value),
        }),
        el("span", {}, text),
      ),
    ),
  );
}

export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "0:00";
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  const rest = `${whole % 60}`.padStart(2, "0");
  return minutes < 60
    ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${`${minutes % 60}`.padStart(2, "0")}:${rest}`;
}

/** Tell those who do not see what changed. */
export function say(text) {
  $("status").textContent = text;
}

/** Show one line for a while; errors stay longer. */
export function toast(text, kind = "") {
  const close = () => line.remove();
  const line = el(
    "div",
    { class: `toast ${kind}`, role: kind === "error" ? "alert" : "status" },
    el("span", {}, text),
    iconButton(t("dismiss"), "cross", close),
  );
  $("toasts").append(line);
  while ($("toasts").children.length > 3) $("toasts").firstChild.remove();
  setTimeout(close, kind === "error" ? 12000 : 3500);
}

export function later(wait, work) {
  let timer;
  const start = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), wait);
  };
  start.cancel = () => clearTimeout(timer);
  return start;
}

const still = matchMedia("(prefers-reduced-motion: reduce)");
const small = matchMedia("(max-width: 719px)");
export const calm = () => still.matches;
export const narrow = () => small.matches;
