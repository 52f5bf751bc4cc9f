// The page of one track: what it is, what is heard in it, and where it stands in the catalog.

import { send } from "./api.js";
import { cover } from "./cover.js";
import { detailsOf, learn, titleOf } from "./track-cache.js";
import { $, button, clock, count, el, fill, say, toast } from "./dom.js";
import { COLUMN_NAMES, shownValue } from "./legend.js";
import { play } from "./player.js";
import { seedButtons } from "./rows.js";
import { scene } from "./scene.js";
import { searchSound } from "./search.js";
import { emit, state } from "./state.js";
import { showTab } from "./tabs.js";

const BINS = 44;
const STANDS = {
  tempo: ["slower", "faster"],
  energy: ["calmer", "busier"],
  loudness: ["quieter", "louder"],
  year: ["older", "newer"],
};
const TAGS = 8;

/** Show the chosen track. */
export async function showTrackPage() {
  const id = state.chosen;
  const panel = $("panel-track");
  if (!id) return fill(panel, empty());
  let track;
  try {
    track = await detailsOf(id);
  } catch (error) {
    if (state.chosen === id) fill(panel, el("p", { class: "error", role: "alert" }, error.message));
    return;
  }
  if (state.chosen !== id) return;
  const upload = state.uploads.get(id);
  document.title = `${titleOf(track)}${track.artist ? ` – ${track.artist}` : ""} · musicu`;
  const said = track.said && new Set(track.said);
  const tags = Object.entries(track.sound_tags ?? {})
    .filter(([name]) => !said || said.has(name))
    .sort(([, a], [, b]) => b - a)
    .slice(0, TAGS);
  fill(
    panel,
    el(
      "div",
      { class: "track-head" },
      cover(id, track.album ?? titleOf(track)),
      upload && el("p", { class: "eyebrow" }, "Your file"),
      el("h2", {}, titleOf(track)),
      el("p", { class: "by" }, track.artist || "Unknown artist"),
      el(
        "p",
        { class: "soft" },
        [track.album, track.year, track.seconds && clock(track.seconds)]
          .filter(Boolean)
          .join(" · "),
      ),
      track.genres?.length > 0 &&
        el(
          "ul",
          { class: "chips", "aria-label": "Genres" },
          track.genres.slice(0, 6).map((name) => el("li", {}, name)),
        ),
      upload?.problem && el("p", { class: "notice" }, upload.problem),
      track.non_music &&
        el("p", { class: "notice" }, "By its sound this is no music: lists leave it out."),
      track.unsure?.length > 0 &&
        el("p", { class: "soft" }, `Unsure of its ${track.unsure.join(" and ")}.`),
    ),
    el(
      "div",
      { class: "actions" },
      button("Play", () => play(id), { icon: "play", kind: "primary", id: "track-play" }),
      button("Similar", () => showTab("similar"), { icon: "similar", id: "track-similar" }),
      upload && state.info?.features?.uploads && keepButton(upload),
    ),
    el("div", { class: "actions quiet" }, upload ? seedButtons(id).slice(0, 2) : seedButtons(id)),
    tags.length > 0 && section("Heard in it", meters(tags)),
    ...strips(track),
    facts(track),
  );
}

function empty() {
  return el(
    "div",
    { class: "start" },
    el("h2", {}, "No track chosen"),
    el("p", {}, "Click a point on the map, search, or drop a file."),
  );
}

function section(title, ...content) {
  return el("section", { class: "part" }, el("h3", {}, title), ...content);
}

/** What the model hears; a click looks for more that sounds so. */
function meters(tags) {
  return el(
    "ul",
    { class: "meters", id: "tags-heard" },
    tags.map(([name, share]) =>
      el(
        "li",
        {},
        el(
          "button",
          { type: "button", title: `Find what sounds ${name}`, onclick: () => searchSound(name) },
          el("span", {}, name),
          el("i", { vars: { share: `${100 * share}%` } }),
          el("span", { class: "number" }, `${Math.round(100 * share)} %`),
        ),
      ),
    ),
  );
}

/** Where the track stands among all, for each number the map knows. */
function strips(track) {
  const data = scene.data;
  const at = data?.places.get(track.id);
  const shown = Object.keys(STANDS).filter(
    (name) => data?.columns[name] && valueOf(track, name, at) != null,
  );
  if (!shown.length) return [];
  return [
    section(
      "In this catalog",
      ...shown.map((name) => strip(name, data.columns[name], valueOf(track, name, at))),
    ),
  ];
}

function valueOf(track, name, at) {
  return at == null ? (track[name] ?? null) : scene.data.columns[name][at];
}

function strip(name, column, value) {
  const values = Float64Array.from(column.filter((one) => one != null)).sort();
  const quantile = (share) => values[Math.round(share * (values.length - 1))];
  const [low, high] = [quantile(0.005), quantile(0.995)];
  const place = (one) => (high > low ? Math.min(1, Math.max(0, (one - low) / (high - low))) : 0.5);
  const bins = new Array(BINS).fill(0);
  for (const one of values) bins[Math.min(BINS - 1, Math.floor(place(one) * BINS))]++;
  const most = Math.max(...bins);
  const below = values.reduce((sum, one) => sum + (one < value), 0) / values.length;
  const [less, more] = STANDS[name];
  const said =
    below >= 0.5
      ? `${more} than ${Math.round(100 * below)} %`
      : `${less} than ${Math.round(100 * (1 - below))} %`;
  return el(
    "div",
    { class: "strip" },
    el("span", { class: "strip-name" }, COLUMN_NAMES[name]),
    el(
      "span",
      { class: "strip-bars", "aria-hidden": "true" },
      bins.map((n) => el("i", { vars: { size: `${(100 * n) / most}%` } })),
      el("u", { vars: { at: `${100 * place(value)}%` } }),
    ),
    el(
      "span",
      { class: "strip-value" },
      name !== "energy" && el("b", {}, shownValue(name, value)),
      el("small", {}, said),
    ),
  );
}

function facts(track) {
  const number = (value, digits, unit) =>
    value == null ? null : `${value.toFixed(digits).replace("-", "−")} ${unit}`;
  const files = track.files ?? [];
  const rows = [
    ["Key", track.detected_key ?? track.key],
    ["Dynamics", number(track.loudness_range, 1, "LU")],
    ["Peak", number(track.peak, 1, "dB")],
    ["Brightness", number(track.brightness, 0, "Hz")],
    ["Onsets", number(track.onset_rate, 1, "a second")],
    ["Label", track.label],
    ["ISRC", track.isrc],
    [
      "Format",
      [
        track.codec,
        track.sr && `${track.sr / 1000} kHz`,
        track.channels && count(track.channels, "channel"),
      ]
        .filter(Boolean)
        .join(", "),
    ],
    ["Files", files.map((path) => path.split(/[\\/]/).pop()).join(", ")],
  ].filter(([, value]) => value);
  return rows.length
    ? section(
        "Facts",
        el(
          "dl",
          { class: "facts" },
          rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
        ),
      )
    : null;
}

function keepButton(upload) {
  const keep = async () => {
    node.disabled = true;
    try {
      const name = encodeURIComponent(upload.file.name);
      const card = await send(`/v1/tracks?name=${name}`, upload.file);
      learn([card]);
      toast(`“${titleOf(card)}” is in the catalog now`);
      say("Kept in the catalog");
      emit("kept", card.id);
    } catch (error) {
      node.disabled = false;
      toast(error.message, "error");
    }
  };
  const node = button("Keep in the catalog", keep, { icon: "plus", id: "keep-upload" });
  return node;
}
