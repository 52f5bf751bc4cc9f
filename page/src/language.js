// The language of the page: that of the browser, until the user chooses another.

import { $, el } from "./dom.js";
import { recall, remember } from "./state.js";
import { LANGUAGES, language, speak, t } from "./strings.js";

// At once: what the page shows is put together while its modules are read.
const wanted = [recall("language", null), ...(navigator.languages ?? [navigator.language])];
speak(
  wanted.map((code) => code?.slice(0, 2)).find((code) => code && code in LANGUAGES) ?? "en",
);

/** Put the document into the language: what the build has written there is English. */
export function initLanguage() {
  document.documentElement.lang = language();
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const name of ["aria-label", "content", "placeholder", "title"])
    for (const node of document.querySelectorAll(`[data-t-${name}]`))
      node.setAttribute(name, t(node.getAttribute(`data-t-${name}`)));
  $("language").append(
    ...Object.entries(LANGUAGES).map(([code, name]) =>
      el("option", { value: code, selected: code === language() }, name),
    ),
  );
  $("language").onchange = ({ target }) => {
    remember("language", target.value);
    location.reload();
  };
}
