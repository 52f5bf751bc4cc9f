// The map's data: fetched, and put in the order in which it is drawn.

import { t } from "./strings.js";
import { fetched } from "./api.js";
import { $, el } from "./dom.js";
import { Grid } from "./grid.js";
import { placesOf } from "./labels.js";
import { scene } from "./scene.js";

/** Fetch the map; while the service still computes it, say how far it is and ask again. */
export async function loadMap(ontaken) {
  try {
    const answer = await fetched("/v1/map");
    if (answer.status === 202) {
      showComputing((await answer.json()).job);
      setTimeout(() => loadMap(ontaken), 2000);
      return;
    }
    takeMap(await answer.json());
    ontaken();
  } catch (error) {
    showState(error.message);
  }
}

function showComputing(job) {
  const share = job?.total ? job.done / job.total : null;
  showState(
    t("map.drawing"),
    el(
      "progress",
      share == null ? { "aria-label": t("map") } : { value: share, max: 1, "aria-label": t("map") },
    ),
    el("span", {}, t("map.drawing.help")),
  );
}

/** Say over the map what is the matter; nothing to say clears it. */
export function showState(text, ...rest) {
  $("map-state").replaceChildren(...(text ? [el("b", {}, text), ...rest] : []));
  $("map-state").hidden = !text;
}

/** Put tracks in an order of which every beginning is spread over the whole. */
function spread({ ids, x, y, columns }) {
  const n = ids.length;
  let step = Math.max(1, Math.round(n * 0.618));
  const common = (a, b) => (b ? common(b, a % b) : a);
  while (common(step, n) > 1) step++;
  const along = (values) => values.map((_, i) => values[(i * step) % n]);
  const column = (one) =>
    Array.isArray(one) ? along(one) : { names: one.names, codes: along(one.codes) };
  const spreadColumns = Object.fromEntries(
    Object.entries(columns).map(([name, one]) => [name, column(one)]),
  );
  return { ids: along(ids), x: along(x), y: along(y), columns: spreadColumns };
}

const NAMED = ["genre", "heard"];
const DENSE = 0.5; // share of the tracks whose genre is known

/** The column that names the map's regions: genres where most tracks have one, else words. */
function tellingColumn({ genre, heard }, n) {
  const known = genre ? genre.codes.filter((code) => code >= 0).length : 0;
  return heard && known < DENSE * n ? "heard" : genre ? "genre" : null;
}

function takeMap(answer) {
  const found = spread(answer);
  const n = found.ids.length;
  const points = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) {
    points[2 * i] = found.x[i];
    points[2 * i + 1] = found.y[i];
  }
  scene.data = {
    ids: found.ids,
    points,
    places: new Map(found.ids.map((id, i) => [id, i])),
    columns: found.columns,
    grid: new Grid(points),
    positions: { value: points, size: 2 },
    // Where each name of a column is densest, by column.
    names: Object.fromEntries(
      NAMED.filter((name) => found.columns[name]).map((name) => [
        name,
        placesOf(found.columns[name], points),
      ]),
    ),
    telling: tellingColumn(found.columns, n),
  };
  if (!n) {
    showState(
      t("map.empty"),
      el(
        "span",
        {},
        t("map.empty.embed"),
        el("code", {}, "musicu embed FOLDER"),
        t("map.empty.drop"),
      ),
    );
  } else showState("");
}
