// The page of one track: what it is, what is heard in it, and where it stands in the catalog.

import { t } from "./strings.js";
import { send } from "./api.js";
import { cover } from "./cover.js";
import { artistOf, detailsOf, learn, titleOf } from "./track-cache.js";
import { $, button, clock, el, fill, say, toast } from "./dom.js";
import { columnName, shownValue } from "./legend.js";
import { judge, opinion } from "./listening.js";
import { play } from "./player.js";
import { seedButtons } from "./rows.js";
import { scene } from "./scene.js";
import { searchSound } from "./search.js";
import { emit, state } from "./state.js";
import { showTab } from "./tabs.js";

const BINS = 44;
const STANDS = ["tempo", "energy", "loudness", "year"];
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
      { class: "track-top" },
      cover(id, track.album ?? titleOf(track)),
      el(
        "div",
        { class: "track-head" },
        upload && el("p", { class: "eyebrow" }, t("track.yours")),
        el("h2", {}, titleOf(track)),
        el("p", { class: "by" }, artistOf(track)),
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
            { class: "chips", "aria-label": t("browse.genres") },
            track.genres.slice(0, 6).map((name) => el("li", {}, name)),
          ),
        upload?.problem && el("p", { class: "notice" }, upload.problem),
        track.non_music &&
          el("p", { class: "notice" }, t("track.no-music")),
        track.unsure?.length > 0 &&
          el("p", { class: "soft" }, t("track.unsure", { kinds: track.unsure.join(t("and")) })),
      ),
    ),
    el(
      "div",
      { class: "actions" },
      button(t("play"), () => play(id), { icon: "play", kind: "primary", id: "track-play" }),
      button(t("tab.similar"), () => showTab("similar"), { icon: "similar", id: "track-similar" }),
      !upload && likeButton(id),
      upload && state.info?.features?.uploads && keepButton(upload),
    ),
    el("div", { class: "actions quiet" }, upload ? seedButtons(id).slice(0, 2) : seedButtons(id)),
    tags.length > 0 && section(t("track.heard"), meters(tags)),
    ...strips(track),
    facts(track),
  );
}

function empty() {
  return el(
    "div",
    { class: "start" },
    el("h2", {}, t("track.none")),
    el("p", {}, t("track.none.help")),
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
          { type: "button", title: t("track.find", { name }), onclick: () => searchSound(name) },
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
  const shown = STANDS.filter(
    (name) => data?.columns[name] && valueOf(track, name, at) != null,
  );
  if (!shown.length) return [];
  return [
    section(
      t("track.stands"),
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
  const said =
    below >= 0.5
      ? t(`track.${name}.more`, { share: `${Math.round(100 * below)}` })
      : t(`track.${name}.less`, { share: `${Math.round(100 * (1 - below))}` });
  return el(
    "div",
    { class: "strip" },
    el("span", { class: "strip-name" }, columnName(name)),
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
    [t("column.key"), track.detected_key ?? track.key],
    [t("fact.dynamics"), number(track.loudness_range, 1, "LU")],
    [t("fact.peak"), number(track.peak, 1, "dB")],
    [t("fact.brightness"), number(track.brightness, 0, "Hz")],
    [t("fact.onsets"), number(track.onset_rate, 1, t("fact.a-second"))],
    [t("fact.label"), track.label],
    ["ISRC", track.isrc],
    [
      t("fact.format"),
      [
        track.codec,
        track.sr && `${track.sr / 1000} kHz`,
        track.channels && t("fact.channels", { n: track.channels }),
      ]
        .filter(Boolean)
        .join(", "),
    ],
    [t("fact.files"), files.map((path) => path.split(/[\\/]/).pop()).join(", ")],
  ].filter(([, value]) => value);
  return rows.length
    ? section(
        t("track.facts"),
        el(
          "dl",
          { class: "facts" },
          rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
        ),
      )
    : null;
}

/** A button that says what is liked; only where that changes anything. */
function likeButton(id) {
  const { recommend, feedback } = state.info?.features ?? {};
  if (!recommend && !feedback) return null;
  const liked = () => opinion(id) > 0;
  const node = button(
    t("judge.like"),
    () => {
      judge(id, liked() ? 0 : 1);
      node.setAttribute("aria-pressed", `${liked()}`);
    },
    { icon: "heart", id: "track-like", "aria-pressed": `${liked()}` },
  );
  return node;
}

function keepButton(upload) {
  const keep = async () => {
    node.disabled = true;
    try {
      const name = encodeURIComponent(upload.file.name);
      const card = await send(`/v1/tracks?name=${name}`, upload.file);
      learn([card]);
      toast(t("track.kept", { title: titleOf(card) }));
      say(t("track.kept", { title: titleOf(card) }));
      emit("kept", card.id);
    } catch (error) {
      node.disabled = false;
      toast(error.message, "error");
    }
  };
  const node = button(t("track.keep"), keep, { icon: "plus", id: "keep-upload" });
  return node;
}
