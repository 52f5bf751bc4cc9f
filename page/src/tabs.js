// The panel's views, as tabs; on a narrow screen the panel is a sheet with three heights.

import { $, el, icon, narrow } from "./dom.js";
import { emit, keepAddress, state } from "./state.js";
import { t } from "./strings.js";

const TABS = [
  ["search", t("tab.search"), "search"],
  ["browse", t("tab.browse"), "browse"],
  ["track", t("tab.track"), "track"],
  ["similar", t("tab.similar"), "similar"],
  ["playlist", t("tab.playlist"), "playlist"],
  ["journey", t("tab.journey"), "journey"],
  ["library", t("tab.library"), "library"],
];
const HEIGHTS = ["low", "half", "high"];

const scrolled = {}; // how far each view was

/** Show a view. */
export function showTab(name) {
  if (!TABS.some(([known]) => known === name)) name = "search";
  scrolled[state.tab] = $("panel-body").scrollTop;
  state.tab = name;
  for (const [other] of TABS) {
    const tab = $(`tab-${other}`);
    tab.setAttribute("aria-selected", `${other === name}`);
    tab.tabIndex = other === name ? 0 : -1;
    $(`panel-${other}`).hidden = other !== name;
  }
  keepAddress();
  emit("tab", name);
  $("panel-body").scrollTop = scrolled[name] ?? 0;
}

export function setSheet(height) {
  $("main").dataset.sheet = height;
  $("sheet").setAttribute("aria-expanded", `${height !== "low"}`);
}

/** On a narrow screen, make sure that something of the panel is to be seen. */
export function raiseSheet() {
  if (narrow() && $("main").dataset.sheet === "low") setSheet("half");
}

/** Show a number beside a view's name; 0 shows none. */
export function badge(name, n) {
  $(`tab-${name}`).querySelector("b").textContent = n || "";
}

export function initTabs() {
  $("tabs").append(
    ...TABS.map(([name, text, shape]) =>
      el(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${name}`,
          "aria-controls": `panel-${name}`,
          onclick: () => {
            showTab(name);
            raiseSheet();
          },
        },
        icon(shape),
        el("span", {}, text, " ", el("b", {})),
      ),
    ),
  );
  $("tabs").addEventListener("keydown", (event) => {
    const at = TABS.findIndex(([name]) => name === state.tab);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: TABS.length - 1 }[event.key];
    if (to == null) return;
    event.preventDefault();
    showTab(TABS[(to + TABS.length) % TABS.length][0]);
    $(`tab-${state.tab}`).focus();
  });
  setSheet("half");
  let start = null;
  let moved = false;
  const grip = $("sheet");
  grip.addEventListener("pointerdown", (event) => {
    [start, moved] = [event.clientY, false];
    grip.setPointerCapture(event.pointerId);
  });
  grip.addEventListener("pointermove", (event) => {
    if (start == null || Math.abs(event.clientY - start) < 30) return;
    const to = HEIGHTS.indexOf($("main").dataset.sheet) + (event.clientY < start ? 1 : -1);
    setSheet(HEIGHTS[Math.min(2, Math.max(0, to))]);
    [start, moved] = [event.clientY, true];
  });
  grip.addEventListener("pointerup", () => {
    start = null;
  });
  grip.addEventListener("click", () => {
    if (!moved) setSheet(HEIGHTS[(HEIGHTS.indexOf($("main").dataset.sheet) + 1) % 3]);
  });
}
