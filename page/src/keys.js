// Keys that work everywhere but in fields, and the help that names them.

import { $ } from "./dom.js";
import { step, toggle } from "./player.js";
import { state } from "./state.js";

/** Play the row after or before the one that plays, in the list that is open. */
function along(by) {
  const rows = [...document.querySelectorAll(`#panel-${state.tab} .row[data-id]`)];
  const at = rows.findIndex(({ dataset }) => dataset.id === state.playing);
  // Neighbors are always those of the track that plays: the list it came from goes on.
  const left = state.tab === "similar" && at < 0 && state.playing === state.chosen;
  if (!rows.length || left) return step(by);
  const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by];
  if (!row) return;
  row.scrollIntoView({ block: "nearest" });
  row.querySelector(".row-play").click();
}

export function initKeys() {
  $("help-button").onclick = () => $("help").showModal();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]"))
      return;
    const { target, key } = event;
    const typing = target.matches(
      "input:not([type=radio], [type=checkbox], [type=range]), select, textarea",
    );
    if (typing) return;
    // A focused button or switch keeps its own space bar.
    const presses = target.matches("button, a, input, [role=tab]");
    const work = {
      "/": () => $("q").select(),
      "?": () => $("help").showModal(),
      j: () => along(1),
      k: () => along(-1),
      m: () =>
        ($("map-canvas").contains(document.activeElement)
          ? $(`tab-${state.tab}`)
          : $("map-canvas")
        ).focus(),
      " ": presses ? null : toggle,
    }[key];
    if (!work) return;
    event.preventDefault();
    work();
  });
}
