// Cover art; where there is none, a tile in a color of its own.

import { trackPath } from "./api.js";
import { el } from "./dom.js";
import { state } from "./state.js";

/** A color that a name always has: a hue in degrees. */
function hueOf(name) {
  let sum = 0;
  for (const letter of name) sum = (31 * sum + letter.codePointAt(0)) % 360;
  return sum;
}

export const coverPath = (id) => trackPath(id, "/cover.jpg");

/** The cover of a track; `name` is what its color and its letter come from. */
export function cover(id, name, kind = "") {
  const letter = [...name.trim()].find((one) => /[\p{L}\p{N}]/u.test(one)) ?? "♪";
  const tile = el(
    "span",
    { class: `cover ${kind}`, "aria-hidden": "true", vars: { hue: hueOf(name) } },
    el("span", {}, letter.toUpperCase()),
  );
  if (state.uploads.has(id)) return tile;
  const picture = el("img", {
    alt: "",
    loading: "lazy",
    decoding: "async",
    src: coverPath(id),
    // Without a picture the service answers with nothing.
    onerror: () => picture.remove(),
    onload: () => tile.classList.add("seen"),
  });
  tile.append(picture);
  return tile;
}
