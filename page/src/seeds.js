// Seeds of the playlist: more of this, less of that.

import { t } from "./strings.js";
import { send } from "./api.js";
import { cardOf, titleOf } from "./track-cache.js";
import { toast } from "./dom.js";
import { emit, recall, remember, state } from "./state.js";

export async function addSeed(id, weight) {
  const card = await cardOf(id).catch(() => null);
  if (!card) return;
  state.seeds = [...state.seeds.filter((seed) => seed.id !== id), { id, weight }];
  toast(t(weight > 0 ? "seeds.more" : "seeds.less", { title: titleOf(card) }));
  changed();
}

export function dropSeed(id) {
  state.seeds = state.seeds.filter((seed) => seed.id !== id);
  changed();
}

export function weighSeed(id, weight) {
  state.seeds = state.seeds.map((seed) => (seed.id === id ? { ...seed, weight } : seed));
  changed();
}

function changed() {
  remember(
    "seeds",
    state.seeds.filter(({ id }) => !state.uploads.has(id)),
  );
  emit("seeds");
}

export function recallSeeds() {
  state.seeds = recall("seeds", []).filter((seed) => seed?.id && seed.weight);
}

/** A seed as the service takes it; a file of the user's is sent for its vector, once. */
export async function seedFor({ id, weight }) {
  const upload = state.uploads.get(id);
  if (!upload) return { id, weight };
  upload.vector ??= (
    await send("/v1/embed?vector=true&describe=false&tags=false", upload.file)
  ).vector;
  return { vector: upload.vector, weight };
}
