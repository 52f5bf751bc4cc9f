// Colors of the map, for light and dark, that people with any color vision can tell apart.

// The qualitative schemes "muted" (on white) and "light" (on black) by Paul Tol, Colour Schemes,
// SRON technical note 2021, moved until the two nearest of eight are 0.09 apart in Oklab for
// normal vision, protanopia, deuteranopia and tritanopia (simulated as in Machado et al. 2009).
const CATEGORIES = {
  light: ["#332288", "#368899", "#cb4460", "#a19a3f", "#792955", "#459deb", "#0b7315", "#8a43bb"],
  dark: ["#719fd4", "#cc727a", "#3fce85", "#e3e490", "#ffafc1", "#b4d230", "#91d9ff", "#aaaa00"],
};
// Lightness runs one way, hue from blue to yellow, as in viridis and cividis; neither end
// meets the background.
const RAMPS = {
  light: ["#b98a00", "#5d9648", "#1c8f86", "#2a6fa8", "#3f3f9d", "#3d1a78"],
  dark: ["#5158c8", "#3a86c8", "#2aa9a4", "#5cc47f", "#b4d44f", "#fbe65a"],
};
const REST = { light: "#a3abb5", dark: "#59626e" };
const FIFTHS = "C G D A E B F# Db Ab Eb Bb F".split(" ");
const SAME = { "C#": "Db", "D#": "Eb", "G#": "Ab", "A#": "Bb", Gb: "F#" };

export const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

const channel = (c) =>
  Math.round(
    255 * Math.min(1, Math.max(0, c <= 0.0031308 ? 12.92 * c : 1.055 * c ** (1 / 2.4) - 0.055)),
  );

/** Oklab (Ottosson 2020) to sRGB bytes. */
function oklab(L, a, b) {
  const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map(channel);
}

/** Where a key stands on the circle of fifths; a minor key at its relative, -1 for no key. */
function fifthOf(name) {
  const [tonic, mode] = name.split(" ");
  const at = FIFTHS.indexOf(SAME[tonic] ?? tonic);
  return at >= 0 && mode === "minor" ? (at + 9) % 12 : at;
}

/** Color on the circle of fifths: a circle in the plane of blue to yellow and dark to light,
 * which all color vision has; red and green only add to it. */
function keyColor(at, theme) {
  const angle = (2 * Math.PI * at) / 12;
  const middle = theme === "dark" ? 0.73 : 0.56;
  return oklab(middle + 0.17 * Math.cos(angle), 0.08 * Math.sin(2 * angle), 0.13 * Math.sin(angle));
}

export const ramp = (theme) => RAMPS[theme];

function rampTable(theme) {
  const stops = RAMPS[theme].map(rgb);
  const table = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    for (let c = 0; c < 3; c++)
      table[3 * i + c] = Math.round(
        stops[low][c] + (at - low) * (stops[low + 1][c] - stops[low][c]),
      );
  }
  return table;
}

/** Where most values of a column lie, so that a few odd ones do not take all the colors. */
export function rangeOf(values) {
  const some = Float64Array.from(values.filter((value) => value != null)).sort();
  if (!some.length) return [0, 1];
  const at = (share) => some[Math.round(share * (some.length - 1))];
  const [low, high] = [at(0.02), at(0.98)];
  return high > low ? [low, high] : [low - 1, high + 1];
}

/**
 * Colors for all points by one column of the map.
 *
 * Returns {colors: bytes r g b a of each point, entries: legend of names, range: of numbers};
 * `only` is the key of a legend's entry that is alone to be seen, `places` says where the names
 * of a column lie: [{text, at}].
 */
export function paint(name, column, n, theme, { only = null, places = [] } = {}) {
  const colors = new Uint8Array(4 * n);
  const rest = rgb(REST[theme]);
  if (!column) {
    const plain = rgb(RAMPS[theme][3]);
    for (let i = 0; i < n; i++) colors.set([...plain, 255], 4 * i);
    return { colors, entries: [], range: null };
  }
  if (Array.isArray(column)) {
    const range = rangeOf(column);
    const table = rampTable(theme);
    const scale = 255 / (range[1] - range[0]);
    for (let i = 0; i < n; i++) {
      const value = column[i];
      if (value == null) {
        colors.set([...rest, 110], 4 * i);
        continue;
      }
      const at = 3 * Math.min(255, Math.max(0, Math.round((value - range[0]) * scale)));
      colors[4 * i] = table[at];
      colors[4 * i + 1] = table[at + 1];
      colors[4 * i + 2] = table[at + 2];
      colors[4 * i + 3] = 255;
    }
    return { colors, entries: [], range };
  }
  const entries = entriesOf(name, column, theme, rest, places);
  const look = new Map(entries.flatMap((entry) => entry.codes.map((code) => [code, entry])));
  for (let i = 0; i < n; i++) {
    const entry = look.get(column.codes[i]);
    const color = entry?.color ?? rest;
    const seen = only == null ? (entry && !entry.rest ? 255 : 150) : entry?.key === only ? 255 : 18;
    colors[4 * i] = color[0];
    colors[4 * i + 1] = color[1];
    colors[4 * i + 2] = color[2];
    colors[4 * i + 3] = seen;
  }
  return { colors, entries, range: null };
}

function entriesOf(name, { names, codes }, theme, rest, places) {
  const counts = new Uint32Array(names.length);
  for (const code of codes) if (code >= 0) counts[code]++;
  const order = names.map((_, code) => code).filter((code) => counts[code]);
  if (name === "key") return keyEntries(names, counts, order, theme, rest);
  order.sort((a, b) => (names[a] === "other") - (names[b] === "other") || counts[b] - counts[a]);
  const palette = CATEGORIES[theme].map(rgb);
  const chosen = politicalColors(
    order.filter((code) => names[code] !== "other").map((code) => names[code]),
    places,
    palette.length,
  );
  return order.map((code) => {
    const color = chosen.get(names[code]);
    const entry = { key: names[code], name: names[code], codes: [code], count: counts[code] };
    return color == null
      ? { ...entry, name: null, color: rest, rest: true }
      : { ...entry, color: palette[color] };
  });
}

/**
 * Colors as on a political map: there are more names than colors that all can tell apart, so a
 * color comes again only far from where it is. The first names have one each.
 */
function politicalColors(names, places, n) {
  const where = new Map(places.map(({ text, at }) => [text, at]));
  const taken = Array.from({ length: n }, () => []);
  const chosen = new Map();
  for (const name of names) {
    const [x, y] = where.get(name) ?? [0, 0];
    const room = taken.map((own) => Math.min(...own.map((at) => Math.hypot(at[0] - x, at[1] - y))));
    const best = room.indexOf(Math.max(...room));
    taken[best].push([x, y]);
    chosen.set(name, best);
  }
  return chosen;
}

/** One entry for each pair of relative keys, around the circle of fifths. */
function keyEntries(names, counts, order, theme, rest) {
  const places = new Map();
  for (const code of order) {
    const at = fifthOf(names[code]);
    const entry = places.get(at) ?? { key: `${at}`, names: [], codes: [], count: 0 };
    entry.names.push(names[code]);
    entry.codes.push(code);
    entry.count += counts[code];
    places.set(at, entry);
  }
  return [...places.entries()]
    .sort(([a], [b]) => a - b)
    .map(([at, entry]) => ({
      ...entry,
      name: entry.names.sort((a, b) => a.endsWith("minor") - b.endsWith("minor")).join(", "),
      color: at < 0 ? rest : keyColor(at, theme),
    }));
}
