// What the parts of the page share: the chosen track, what plays, seeds, and word of changes.

export const state = {
  info: null, // /v1/info
  chosen: null, // id of the track whose page is open
  playing: null, // id of what the player holds
  tab: "search",
  uploads: new Map(), // id -> card, with file, url, answer
  seeds: [], // of the playlist: {id, weight}
  journey: { from: null, to: null },
  browse: { shelf: "new", key: null }, // of the view that browses
};

const listeners = new Map();

export function on(names, work) {
  for (const name of names.split(" ")) {
    if (!listeners.has(name)) listeners.set(name, []);
    listeners.get(name).push(work);
  }
}

export function emit(name, detail) {
  for (const work of listeners.get(name) ?? []) work(detail);
}

// The address holds what can be handed on: the track, the journey, the open view.

/** Read the address: {track, journey: [from, to], tab, shelf, key}. */
export function address() {
  const given = new URLSearchParams(location.hash.slice(1));
  return {
    track: given.get("track"),
    journey: given.get("journey")?.split(",") ?? [],
    tab: given.get("tab"),
    shelf: given.get("shelf"),
    key: given.get("key"),
  };
}

/** Write the address; `step` adds an entry to the browser's history. */
export function keepAddress(step = false) {
  const parts = [];
  const known = (id) => id && !state.uploads.has(id);
  const { from, to } = state.journey;
  if (known(state.chosen)) parts.push(`track=${state.chosen}`);
  if (known(from) && known(to)) parts.push(`journey=${from},${to}`);
  if (parts.length || state.tab !== "search") parts.push(`tab=${state.tab}`);
  if (state.tab === "browse") {
    parts.push(`shelf=${state.browse.shelf}`);
    if (state.browse.key != null) parts.push(`key=${encodeURIComponent(state.browse.key)}`);
  }
  const url = parts.length ? `#${parts.join("&")}` : location.pathname;
  if (location.hash !== url && !(url === location.pathname && !location.hash)) {
    history[step ? "pushState" : "replaceState"](null, "", url);
  }
}

/** Remember for the next visit; a browser may refuse, and that is no error. */
export function remember(key, value) {
  try {
    localStorage.setItem(`musicu.${key}`, JSON.stringify(value));
  } catch {
    /* private windows, full disks */
  }
}

export function recall(key, fallback) {
  try {
    return JSON.parse(localStorage.getItem(`musicu.${key}`)) ?? fallback;
  } catch {
    return fallback;
  }
}
