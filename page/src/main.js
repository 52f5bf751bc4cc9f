// The page's start, and what happens when a track is chosen.

import { initLanguage } from "./language.js";
import { ask } from "./api.js";
import { initBrowse, show as showBrowse } from "./browse.js";
import { forgetDetails } from "./track-cache.js";
import { $, toast } from "./dom.js";
import { initDrop } from "./drop.js";
import { initJourney, setEnds } from "./journey.js";
import { initKeys } from "./keys.js";
import { initLibrary } from "./library.js";
import { anyHistory, initListening } from "./listening.js";
import { initMapInput } from "./map-input.js";
import { initMap, land, mark, refreshMap, reveal } from "./map.js";
import { initPlayer, play } from "./player.js";
import { initPlaylist } from "./playlist.js";
import { initSearch } from "./search.js";
import { recallSeeds } from "./seeds.js";
import { forgetSimilar, showSimilar } from "./similar.js";
import { address, emit, keepAddress, on, state } from "./state.js";
import { initTabs, raiseSheet, showTab } from "./tabs.js";
import { initTheme } from "./theme.js";
import { showTrackPage } from "./track.js";

/** Choose a track: its page, what is like it and the map are about it from now on. */
function select(id, step = true) {
  const changed = state.chosen !== id;
  state.chosen = id;
  if (changed) keepAddress(step);
  emit("chosen", id);
  showTrackPage();
  showSimilar();
}

/** Choose a track and open a view of it. */
function choose(id, { tab, step = true } = {}) {
  select(id, step);
  if (tab) showTab(tab);
  raiseSheet();
}

/** The view for a track that was pointed at: neighbors stay open, else its own page. */
const viewFor = () => (state.tab === "similar" ? "similar" : "track");

async function loadInfo() {
  state.info = await ask("/v1/info");
  $("about").textContent = [`musicu ${state.info.version}`, state.info.model, state.info.notice]
    .filter(Boolean)
    .join(" · ");
  emit("info");
}

function readAddress() {
  const { track, journey, tab, shelf, key } = address();
  if (shelf && (shelf !== state.browse.shelf || key !== state.browse.key)) {
    state.browse = { shelf, key };
    showBrowse();
  }
  if (track && track !== state.chosen) choose(track, { step: false });
  if (
    journey.length === 2 &&
    (journey[0] !== state.journey.from || journey[1] !== state.journey.to)
  ) {
    setEnds({ from: journey[0], to: journey[1] }).then(() => tab && showTab(tab));
  }
  if (tab || track || journey.length === 2)
    showTab(tab ?? (journey.length === 2 ? "journey" : "track"));
}

async function start() {
  initLanguage();
  initTheme();
  initTabs();
  initPlayer();
  initKeys();
  initListening();
  initDrop();
  on("select", ({ id, step }) => {
    if (id === state.chosen) return;
    select(id, step);
    if (step) reveal(id);
  });
  on("pick", (id) => {
    choose(id, { tab: viewFor() });
    if (state.playing !== id) play(id);
  });
  on("choose", (id) => {
    choose(id, { tab: viewFor() });
    reveal(id, true);
  });
  on("uploaded", (id) => {
    forgetSimilar();
    choose(id, { tab: "similar" });
    play(id);
  });
  on("kept", async (id) => {
    land(null);
    state.uploads.delete(id);
    state.chosen = null;
    await reload();
    choose(id, { tab: "track" });
  });
  on("job-done", reload);
  on("tab", (name) => {
    if (name === "similar" || name === "track") showSimilar();
    if (name === "library") mark([]);
  });
  on("map", () => state.chosen && showTrackPage());
  try {
    // The first answer also asks for the token, before anything else does.
    await loadInfo();
  } catch (error) {
    toast(error.message, "error");
  }
  recallSeeds();
  initSearch();
  initBrowse();
  initPlaylist();
  initJourney();
  initLibrary();
  showTrackPage();
  showSimilar();
  const { track, tab } = address();
  // Whoever was here before begins with what there is for him or her.
  if (!track && !tab && state.info?.features.recommend && anyHistory()) showTab("browse");
  readAddress();
  addEventListener("popstate", readAddress);
  // Without it the page works as well, but not without the service. A browser may refuse.
  navigator.serviceWorker?.register("/sw.js").catch(() => {});
  initMapInput();
  await initMap();
  if (track) reveal(track, true);
}

async function reload() {
  forgetDetails();
  forgetSimilar();
  await Promise.all([loadInfo().catch(() => {}), refreshMap()]);
}

start();
