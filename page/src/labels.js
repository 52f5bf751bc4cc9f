// Names on the map: where a genre is densest, and the titles of marked tracks.

import { $, el } from "./dom.js";

const COARSE = 40;
const pen = document.createElement("canvas").getContext("2d");
const widths = new Map();

/** Find where each genre is densest: [{text, at, count}], largest first. */
export function placesOf({ names, codes }, points) {
  const counts = new Map();
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] < 0) continue;
    const cells = counts.get(codes[i]) ?? new Map();
    counts.set(codes[i], cells);
    const at = Math.round(points[2 * i] * COARSE) * 1000 + Math.round(points[2 * i + 1] * COARSE);
    const cell = cells.get(at) ?? [0, 0, 0];
    cells.set(at, [cell[0] + 1, cell[1] + points[2 * i], cell[2] + points[2 * i + 1]]);
  }
  const found = [];
  for (const [code, cells] of counts) {
    if (names[code] === "other") continue;
    let best = [0];
    let total = 0;
    for (const [at, [own]] of cells) {
      total += own;
      let [sum, x, y] = [0, 0, 0];
      for (const near of [-1001, -1000, -999, -1, 0, 1, 999, 1000, 1001]) {
        const cell = cells.get(at + near);
        if (cell) [sum, x, y] = [sum + cell[0], x + cell[1], y + cell[2]];
      }
      if (sum > best[0]) best = [sum, [x / sum, y / sum]];
    }
    found.push({ text: names[code], at: best[1], count: total });
  }
  return found.sort((a, b) => b.count - a.count);
}

function widthOf(text, font) {
  const key = font + text;
  if (!widths.has(key)) {
    pen.font = font;
    widths.set(key, pen.measureText(text).width);
  }
  return widths.get(key);
}

/** Show names, those first that come first; a name that would cover another or lie above `ceiling`
 * is left out. */
export function showLabels(names, project, [width, height], ceiling) {
  const taken = [];
  const shown = [];
  for (const { text, at, kind, lift = 0 } of names) {
    const short = text.length > 32 ? `${text.slice(0, 31)}…` : text;
    const area = kind === "genre" || kind === "faint";
    const w = widthOf(short, area ? "600 13px system-ui" : "500 12px system-ui") + 12;
    const [x, y] = project(at);
    let [left, top] = [x - w / 2, area ? y - 10 - lift : y + lift];
    // The chosen track is named at the map's edge, too.
    if (kind === "chosen" && x >= 0 && x <= width && y >= 0 && y <= height) {
      left = Math.min(Math.max(left, 4), width - 4 - w);
      top = Math.min(Math.max(top, ceiling), height - 24);
    }
    if (left < 4 || left + w > width - 4 || top < ceiling || top + 20 > height - 4) continue;
    const free = taken.every(
      ([l, t, r]) => left > r || left + w < l || top > t + 19 || top + 19 < t,
    );
    if (!free) continue;
    taken.push([left, top, left + w]);
    shown.push([short, kind, left, top]);
  }
  const box = $("map-labels");
  while (box.children.length < shown.length) box.append(el("span"));
  [...box.children].forEach((node, i) => {
    node.hidden = i >= shown.length;
    if (node.hidden) return;
    const [text, kind, left, top] = shown[i];
    if (node.textContent !== text) node.textContent = text;
    node.className = kind;
    node.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  });
}
