// Light or dark: as the system says, until the user says otherwise.

import { t } from "./strings.js";
import { $, icon } from "./dom.js";
import { emit, recall, remember } from "./state.js";

const system = matchMedia("(prefers-color-scheme: dark)");

export const themeNow = () =>
  document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light");

/** A color of the style sheet as the theme has it now: rgb(r, g, b). */
export function colorNow(name) {
  $("drop").style.color = `var(--${name})`;
  const { color } = getComputedStyle($("drop"));
  $("drop").style.color = "";
  return color;
}

function show() {
  const dark = themeNow() === "dark";
  $("theme").setAttribute("aria-pressed", `${dark}`);
  $("theme").title = t(dark ? "theme.light" : "theme.dark");
  $("theme").replaceChildren(icon(dark ? "sun" : "moon"));
  emit("theme");
}

export function initTheme() {
  const saved = recall("theme", null);
  if (saved) document.documentElement.dataset.theme = saved;
  $("theme").onclick = () => {
    const next = themeNow() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    remember("theme", next);
    show();
  };
  system.addEventListener("change", show);
  show();
}
