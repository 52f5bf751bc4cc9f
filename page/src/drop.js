// A file of the user's: sent, heard, and shown where it belongs.

import { t } from "./strings.js";
import { send } from "./api.js";
import { learn } from "./track-cache.js";
import { $, el, iconButton, say, toast } from "./dom.js";
import { land, reveal } from "./map.js";
import { likeness, rules } from "./similar.js";
import { emit, state } from "./state.js";

/** Send a file and show its place and its neighbors. */
async function take(file) {
  const bar = el("progress", { max: 1, value: 0, "aria-label": t("drop.sending", { name: file.name }) });
  const text = el("span", {}, t("drop.sending", { name: file.name }));
  const line = el("div", { class: "toast upload", id: "upload", role: "status" }, text, bar);
  $("toasts").append(line);
  try {
    const query = new URLSearchParams({
      n: 30,
      explain: true,
      describe: true,
      collapse_versions: true,
      where: rules().where ?? "",
      name: file.name,
    });
    if (!query.get("where")) query.delete("where");
    const progress = (share) => {
      bar.value = share;
      if (share < 1) return;
      text.textContent = t("drop.listening", { name: file.name });
      bar.removeAttribute("value");
    };
    const answer = await answered(query, file, progress);
    arrive(file, answer);
    line.remove();
  } catch (error) {
    line.className = "toast error";
    line.setAttribute("role", "alert");
    line.replaceChildren(
      el("span", {}, `${file.name}: ${error.message}`),
      iconButton(t("dismiss"), "cross", () => line.remove()),
    );
  }
}

async function answered(query, file, progress) {
  try {
    return await send(`/v1/similar?by=${likeness()}&${query}`, file, progress);
  } catch (error) {
    if (error.status !== 503 || likeness() === "sound") throw error;
    return send(`/v1/similar?by=sound&${query}`, file, progress);
  }
}

function arrive(file, answer) {
  const { upload } = answer;
  learn(answer.matches);
  if (upload.known) {
    toast(t("drop.known"));
    emit("pick", upload.id);
    reveal(upload.id, true);
    return;
  }
  const about = upload.metadata ?? {};
  const before = state.uploads.get(upload.id);
  if (before) URL.revokeObjectURL(before.url);
  const card = {
    ...upload.descriptors,
    ...about,
    id: upload.id,
    title: about.title || file.name.replace(/\.[^.]+$/, ""),
    genres: about.genres ?? [],
    seconds: upload.seconds,
    codec: upload.codec,
    problem: upload.problem,
    sound_tags: upload.tags ?? {},
    said: upload.said,
    unsure: upload.unsure,
    non_music: upload.non_music,
    detected_key: upload.descriptors?.key,
    file,
    url: URL.createObjectURL(file),
    answer,
  };
  state.uploads.set(upload.id, card);
  land(upload.id, upload.place);
  say(t("drop.landed", { title: card.title }));
  emit("uploaded", upload.id);
}

export function initDrop() {
  let depth = 0;
  const has = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (shown) => {
    $("drop").hidden = !shown;
    if (!shown) depth = 0;
  };
  document.addEventListener("dragenter", (event) => {
    if (!has(event)) return;
    event.preventDefault();
    depth++;
    show(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (has(event) && --depth <= 0) show(false);
  });
  document.addEventListener("dragover", (event) => has(event) && event.preventDefault());
  document.addEventListener("drop", (event) => {
    if (!has(event)) return;
    event.preventDefault();
    show(false);
    const [file] = event.dataTransfer.files;
    if (file) take(file);
    if (event.dataTransfer.files.length > 1) toast(t("drop.one"));
  });
  $("open-file").onclick = () => $("file").click();
  $("file").onchange = () => {
    const [file] = $("file").files;
    if (file) take(file);
    $("file").value = "";
  };
}
