// The player: one audio element, the waveform by wavesurfer, a queue, and moments.

import { t } from "./strings.js";
import WaveSurfer from "wavesurfer.js/dist/wavesurfer.js";
import { ask, trackPath } from "./api.js";
import { cover, coverPath } from "./cover.js";
import { artistOf, cardOf, known, nameOf, titleOf } from "./track-cache.js";
import { $, clock, icon, say, setVars, toast } from "./dom.js";
import { emit, on, recall, remember, state } from "./state.js";
import { colorNow } from "./theme.js";

const audio = $("audio");
const waves = new Map(); // id -> {seconds, peaks, tones}
const ENOUGH = 30; // seconds that make a play, or half the track
const FLAT = new Array(200).fill(0.03);

let surfer = null;
let queue = { ids: [], at: -1 };
let parts = null; // moments: [{id, from, to}], and which one plays
let seconds = 0;
let spectrum = false;
let counted = false; // whether this track has been heard for long enough to count

// Tracks whose own format this browser does not play.
const foreign = new Set();

const urlOf = (id) =>
  state.uploads.get(id)?.url ??
  new URL(trackPath(id, foreign.has(id) ? "/audio.opus" : "/audio"), location.href).href;

/** Play a track that this browser does not know as another format, once. */
function failed() {
  const id = state.playing;
  if (!audio.getAttribute("src")) return;
  if (foreign.has(id) || state.uploads.has(id)) return toast(t("player.failed"), "error");
  foreign.add(id);
  say(t("player.transcoding"));
  audio.src = urlOf(id);
  audio.play().catch(() => {});
}

// ---------------------------------------------------------------- what plays

/**
 * Play a track; `ids` is the list it came from, which goes on after it. What plays is also chosen,
 * unless `chosen` is false.
 */
export async function play(
  id,
  { ids = [id], from = 0, keepParts = false, chosen = true, byHand = true } = {},
) {
  if (!keepParts) parts = null;
  queue = { ids: [...ids], at: Math.max(0, ids.indexOf(id)) };
  if (state.playing !== id) {
    if (state.playing && byHand && !counted && !parts && audio.currentTime > 1)
      emit("heard", { id: state.playing, event: "skipped" });
    counted = false;
    state.playing = id;
    audio.src = urlOf(id);
    seconds = known(id)?.seconds ?? 0;
    showTrack();
    showWave(id);
    emit("playing", id);
  }
  if (from || audio.currentTime > 0.5) audio.currentTime = from;
  showPart();
  if (chosen) emit("select", { id, step: byHand });
  try {
    await audio.play();
  } catch (error) {
    // Another track was chosen meanwhile, or the element's own error event tells.
    if (error.name === "NotAllowedError")
      toast(t("player.click"));
  }
}

/** What the queue would be asked to play after this one, once it is known. */
export function queueAfter(ids) {
  if (queue.ids.length === 1 && queue.ids[0] === state.playing) {
    queue.ids = [state.playing, ...ids.filter((id) => id !== state.playing)];
    showButtons();
  }
}

export function toggle() {
  if (!state.playing) return;
  if (audio.paused) audio.play().catch(() => {});
  else audio.pause();
}

export function step(by, { byHand = true } = {}) {
  if (parts) return playPart(parts.at + by);
  if (by < 0 && audio.currentTime > 4) {
    audio.currentTime = 0;
    return;
  }
  const at = queue.at + by;
  // Whoever looks at another track meanwhile goes on doing so when the next one begins by itself.
  const chosen = byHand || state.chosen === state.playing;
  if (at >= 0 && at < queue.ids.length) play(queue.ids[at], { ids: queue.ids, chosen, byHand });
}

/** Play the two passages that match best, one after the other. */
export async function moments(a, b) {
  try {
    say(t("player.moments"));
    const found = await ask("/v1/match", { json: { a, b } });
    parts = {
      at: 0,
      list: [
        { id: a, from: found.a.start, to: found.a.start + found.seconds },
        { id: b, from: found.b.start, to: found.b.start + found.seconds },
      ],
    };
    playPart(0);
  } catch (error) {
    toast(error.message, "error");
  }
}

function playPart(at) {
  if (at < 0 || at >= parts.list.length) {
    audio.pause();
    return;
  }
  parts.at = at;
  const { id, from } = parts.list[at];
  play(id, { from, keepParts: true, chosen: false });
}

// ---------------------------------------------------------------- what is seen

async function showTrack() {
  const id = state.playing;
  const show = (card) => {
    if (state.playing !== id) return;
    $("now-title").textContent = titleOf(card);
    $("now-artist").textContent = artistOf(card);
    $("now").disabled = false;
    $("now-cover").replaceChildren(cover(id, card.album ?? titleOf(card)));
    if ("mediaSession" in navigator) {
      navigator.mediaSession.metadata = new MediaMetadata({
        title: titleOf(card),
        artist: card.artist ?? "",
        album: card.album ?? "",
        artwork: state.uploads.has(id) ? [] : [{ src: coverPath(id), type: "image/jpeg" }],
      });
    }
  };
  if (known(id)) show(known(id));
  else {
    $("now-title").textContent = "…";
    $("now-artist").textContent = "";
    const card = await cardOf(id).catch(() => null);
    if (card && state.playing === id) {
      seconds ||= card.seconds ?? 0;
      show(card);
      showTime();
    }
  }
  if (known(id)) say(t("player.playing", { name: nameOf(known(id)) }));
}

function showButtons() {
  const playing = !audio.paused && !audio.ended;
  $("play").disabled = !state.playing;
  $("play").setAttribute("aria-label", t(playing ? "pause" : "play"));
  $("play").replaceChildren(icon(playing ? "pause" : "play"));
  $("previous").disabled = !state.playing;
  $("next").disabled = parts ? parts.at >= parts.list.length - 1 : queue.at >= queue.ids.length - 1;
  $("seek").disabled = $("mel-button").disabled = !state.playing;
  document.body.classList.toggle("sounding", playing);
}

const total = () =>
  Number.isFinite(audio.duration) && audio.duration > 0 ? audio.duration : seconds;

function showTime() {
  const now = audio.currentTime;
  $("time-now").textContent = clock(now);
  $("time-all").textContent = clock(total());
  $("seek").max = Math.max(1, Math.round(total()));
  if (document.activeElement !== $("seek") || audio.paused === false)
    $("seek").value = Math.round(now);
  $("seek").setAttribute("aria-valuetext", t("player.time", { now: clock(now), all: clock(total()) }));
  if (!counted && !parts && total() && now >= Math.min(ENOUGH, total() / 2)) {
    counted = true;
    emit("heard", { id: state.playing, event: "played" });
  }
  if (parts && now >= parts.list[parts.at].to) playPart(parts.at + 1);
}

function showPart() {
  const part = parts?.list[parts.at];
  $("wave-part").hidden = !part || !total();
  if (part)
    setVars($("wave-part"), {
      from: `${(100 * part.from) / total()}%`,
      to: `${(100 * part.to) / total()}%`,
    });
  if (part)
    $("wave-part").firstChild.textContent = t("player.moment", { n: parts.at + 1, all: parts.list.length });
}

// ---------------------------------------------------------------- waveform

function drawWave([peaks], context) {
  const { width, height } = context.canvas;
  context.clearRect(0, 0, width, height);
  if (spectrum) return;
  const tone = waves.get(state.playing)?.tones;
  const pixel = devicePixelRatio || 1;
  const [bar, gap] = [2 * pixel, 1 * pixel];
  const bars = Math.max(1, Math.floor(width / (bar + gap)));
  const hues = ["low", "mid", "high"].map((name) =>
    colorNow(`wave-${name}`).match(/\d+/g).map(Number),
  );
  const rest = colorNow("wave-rest");
  const middle = height / 2;
  for (let k = 0; k < bars; k++) {
    const [from, to] = [k, k + 1].map((at) => Math.floor((at * peaks.length) / bars));
    let peak = 0;
    for (let i = from; i < Math.max(to, from + 1); i++) peak = Math.max(peak, peaks[i]);
    const size = Math.max(pixel, peak * (middle - pixel));
    context.fillStyle = tone ? toned(hues, tone[from]) : rest;
    context.beginPath();
    context.roundRect(k * (bar + gap), middle - size, bar, 2 * size, bar / 2);
    context.fill();
  }
}

/** A color between the hues for low, middle and high, by tone in [0, 1]. */
function toned(hues, tone) {
  const low = tone < 0.5 ? 0 : 1;
  const share = 2 * tone - low;
  return `rgb(${[0, 1, 2].map((c) => Math.round(hues[low][c] + share * (hues[low + 1][c] - hues[low][c]))).join(" ")})`;
}

/** How high each bin sounds, from 0 to 1, within what occurs in this track. */
function tones([low, mid, high]) {
  const tone = low.map((value, i) => (0.5 * mid[i] + high[i]) / (value + mid[i] + high[i] + 1e-6));
  const loud = tone.filter((_, i) => low[i] + mid[i] + high[i] > 30).sort((a, b) => a - b);
  if (!loud.length) return tone.map(() => 0.5);
  const at = (share) => loud[Math.round(share * (loud.length - 1))];
  // A track that hardly changes keeps to the middle hues.
  const width = Math.max(at(0.95) - at(0.05), 0.12);
  const start = (at(0.95) + at(0.05) - width) / 2;
  return tone.map((value) => Math.min(1, Math.max(0, (value - start) / width)));
}

async function showWave(id) {
  surfer ??= WaveSurfer.create({
    container: $("wave-form"),
    media: audio,
    height: "auto",
    interact: false,
    cursorWidth: 2,
    hideScrollbar: true,
    renderFunction: drawWave,
    ...surferColors(),
  });
  const load = (wave) =>
    surfer.load(urlOf(id), [wave?.peaks ?? FLAT], wave?.seconds || seconds || 1).catch(() => {});
  showSpectrum();
  load(waves.get(id));
  if (!waves.has(id)) {
    try {
      const found = await ask(trackPath(id, "/waveform"));
      waves.set(id, { ...found, tones: tones(found.bands) });
      if (waves.size > 200) waves.delete(waves.keys().next().value);
      if (state.playing === id) load(waves.get(id));
    } catch {
      /* the flat line stays; the track plays all the same */
    }
  }
}

// The spectrum is dark in either theme.
const surferColors = () => ({
  progressColor: colorNow("accent"),
  cursorColor: spectrum ? "#ffffff" : colorNow("ink"),
});

function showSpectrum() {
  $("mel-button").setAttribute("aria-pressed", `${spectrum}`);
  const url = state.playing && trackPath(state.playing, "/mel.png");
  $("mel").hidden = !spectrum || !url;
  if (!$("mel").hidden && $("mel").getAttribute("src") !== url) $("mel").src = url;
}

function setSpectrum(shown) {
  spectrum = shown;
  remember("spectrum", shown);
  showSpectrum();
  surfer?.setOptions(surferColors());
}

// ---------------------------------------------------------------- start

export function initPlayer() {
  $("play").onclick = toggle;
  $("previous").onclick = () => step(-1);
  $("next").onclick = () => step(1);
  $("now").onclick = () => emit("pick", state.playing);
  $("mel-button").onclick = () => setSpectrum(!spectrum);
  $("seek").oninput = (event) => {
    parts = null;
    showPart();
    audio.currentTime = Number(event.target.value);
  };
  $("volume").value = recall("volume", 90);
  const setVolume = () => {
    // Loudness follows the square of the slider more evenly than the slider itself.
    audio.volume = ($("volume").value / 100) ** 2;
    remember("volume", Number($("volume").value));
  };
  $("volume").oninput = setVolume;
  setVolume();
  for (const name of ["play", "pause", "ended", "emptied"])
    audio.addEventListener(name, showButtons);
  for (const name of ["timeupdate", "durationchange", "seeked"])
    audio.addEventListener(name, showTime);
  audio.addEventListener("durationchange", showPart);
  audio.addEventListener("ended", () => {
    if (counted && !parts) emit("heard", { id: state.playing, event: "completed" });
    counted = false;
    step(1, { byHand: false });
  });
  audio.addEventListener("error", failed);
  on("theme", () => surfer?.setOptions(surferColors()));
  $("mel").onerror = () => {
    $("mel").hidden = true;
    toast(t("player.no-picture"), "error");
  };
  if ("mediaSession" in navigator) {
    const hands = {
      play: toggle,
      pause: toggle,
      nexttrack: () => step(1),
      previoustrack: () => step(-1),
    };
    for (const [name, work] of Object.entries(hands))
      navigator.mediaSession.setActionHandler(name, work);
  }
  spectrum = recall("spectrum", false);
  showButtons();
}
