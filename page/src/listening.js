// What is listened to and said here: kept by this browser, and told to the service only for an
// answer, or where it was started with a log of feedback.

import { fetched } from "./api.js";
import { emit, on, recall, remember, state } from "./state.js";

const MOST = 500; // tracks that are remembered, the latest

let played = recall("played", []); // {id, weight: plays, time: of the last}
let said = recall("said", {}); // id -> 1 liked, -1 disliked, -0.5 skipped

const listener = () => {
  let name = recall("listener", null);
  if (!name) {
    name = [...crypto.getRandomValues(new Uint8Array(12))]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("");
    remember("listener", name);
  }
  return name;
};

/** What a recommender is told. */
export const history = () => ({
  history: played.map(({ id, weight, time }) => ({ id, weight, time })),
  said: Object.entries(said).map(([id, value]) => ({ id, value })),
});

export const anyHistory = () => played.length > 0;
export const opinion = (id) => said[id] ?? 0;

/** Like (1) or dislike (-1) a track, or take it back (0). */
export function judge(id, value) {
  if (value) said[id] = value;
  else delete said[id];
  remember("said", said);
  if (value) tell(id, value > 0 ? "liked" : "disliked");
  emit("judged", id);
}

/** Forget all that was listened to and said here. */
export function forgetListening() {
  [played, said] = [[], {}];
  remember("played", played);
  remember("said", said);
  remember("listener", null);
  emit("judged", null);
}

function tell(id, event) {
  if (!state.info?.features?.feedback) return;
  // Nobody waits for it, and what was played stays here in any case.
  fetched("/v1/feedback", { json: { user: listener(), id, event } }).catch(() => {});
}

export function initListening() {
  on("heard", ({ id, event }) => {
    if (state.uploads.has(id)) return;
    if (event === "played") {
      const before = played.find((one) => one.id === id);
      const now = { id, weight: (before?.weight ?? 0) + 1, time: Date.now() / 1000 };
      played = [now, ...played.filter((one) => one.id !== id)].slice(0, MOST);
      remember("played", played);
      if (said[id] === -0.5) judge(id, 0);
    } else if (event === "skipped" && !said[id] && !played.some((one) => one.id === id)) {
      said[id] = -0.5;
      remember("said", said);
    }
    tell(id, event);
  });
}
