// Rows of tracks, the same in every list: play, look closer, and what can be done with one.

import { artistOf, learn, titleOf } from "./track-cache.js";
import { button, clock, el, icon, iconButton } from "./dom.js";
import { moments, play, toggle } from "./player.js";
import { addSeed } from "./seeds.js";
import { emit, on, state } from "./state.js";
import { t } from "./strings.js";
import { whyBar, whyList } from "./explanation.js";

/**
 * A list of tracks.
 *
 * `options`: numbered (show ranks), score (card -> text), anchor (id whose moments can be
 * compared), edit ({up, down, remove}: make the list one that can be changed), judged (what to do
 * with the id of a track that somebody wants less of).
 */
export function trackList(cards, options = {}) {
  const list = el("ol", { class: "rows" });
  const ids = cards.map(({ id }) => id);
  list.append(...cards.map((card, i) => row(card, i, ids, options)));
  return list;
}

function row(card, i, ids, { numbered = false, score, anchor, edit, judged }) {
  const start = () => {
    if (state.playing !== card.id) return play(card.id, { ids });
    toggle();
    emit("select", { id: card.id, step: true });
  };
  const more = el("div", { class: "row-more", hidden: true });
  const toggleMore = iconButton(t("row.about", { title: titleOf(card) }), "more", () => {
    more.hidden = !more.hidden;
    toggleMore.setAttribute("aria-expanded", `${!more.hidden}`);
    if (!more.hidden && !more.children.length) more.append(...details(card, anchor, judged));
  });
  toggleMore.setAttribute("aria-expanded", "false");
  const tools = edit
    ? [
        iconButton(t("row.up", { title: titleOf(card) }), "up", () => edit.up(i), { disabled: i === 0 }),
        iconButton(t("row.down", { title: titleOf(card) }), "down", () => edit.down(i), {
          disabled: i === ids.length - 1,
        }),
        iconButton(t("row.remove", { title: titleOf(card) }), "cross", () => edit.remove(i)),
      ]
    : [toggleMore];
  const versions = card.versions?.length;
  const line = [artistOf(card), card.year, versions && t("row.more", { n: versions })]
    .filter(Boolean)
    .join(" · ");
  const node = el(
    "li",
    {
      class: `row${state.playing === card.id ? " on" : ""}${edit ? " edited" : ""}`,
      data: { id: card.id },
      "aria-current": state.chosen === card.id ? "true" : null,
      onpointerenter: () => emit("hint", card.id),
      onpointerleave: () => emit("hint", null),
    },
    el(
      "button",
      {
        type: "button",
        class: "row-play",
        onclick: start,
        onfocus: () => emit("hint", card.id),
        onblur: () => emit("hint", null),
      },
      el("span", { class: "hidden" }, `${t("play")} `),
      el(
        "span",
        { class: `row-rank${numbered ? "" : " plain"}`, "aria-hidden": "true" },
        numbered ? `${i + 1}` : "",
        icon("play"),
        el("i", { class: "bars" }, el("i"), el("i"), el("i")),
      ),
      el("span", { class: "row-name" }, el("b", {}, titleOf(card)), el("span", {}, line)),
      el("span", { class: "row-score" }, score ? score(card) : clock(card.seconds)),
    ),
    el("span", { class: "row-tools" }, tools),
    card.why && whyBar(card.why),
    more,
  );
  return node;
}

function details(card, anchor, judged) {
  const parts = [];
  if (card.versions?.length)
    parts.push(
      el("p", { class: "soft" }, t("row.versions", { n: card.versions.length })),
      trackList(learn(card.versions)),
    );
  if (card.words?.length) parts.push(el("p", { class: "words" }, card.words.join(" · ")));
  if (card.why) parts.push(whyList(card.why));
  parts.push(
    el(
      "div",
      { class: "actions" },
      button(t("open"), () => emit("choose", card.id), { icon: "open" }),
      anchor &&
        button(t("row.moments"), () => moments(anchor, card.id), {
          icon: "play",
          data: { action: "moments" },
        }),
      judged &&
        button(t("judge.less"), () => judged(card.id), {
          icon: "cross",
          data: { action: "dislike" },
        }),
      ...seedButtons(card.id),
    ),
  );
  return parts;
}

/** Buttons that put a track into the playlist's seeds or the journey. */
export function seedButtons(id) {
  return [
    button(t("row.more-of"), () => addSeed(id, 1), { icon: "plus", data: { action: "more" } }),
    button(t("row.less-of"), () => addSeed(id, -1), { icon: "minus", data: { action: "less" } }),
    button(t("row.from"), () => emit("journey-end", { from: id }), {
      icon: "journey",
      data: { action: "from" },
    }),
    button(t("row.to"), () => emit("journey-end", { to: id }), {
      icon: "journey",
      data: { action: "to" },
    }),
  ];
}

on("playing", (id) => {
  for (const node of document.querySelectorAll(".row[data-id]"))
    node.classList.toggle("on", node.dataset.id === id);
});

on("chosen", (id) => {
  for (const node of document.querySelectorAll(".row[data-id]"))
    if (node.dataset.id === id) node.setAttribute("aria-current", "true");
    else node.removeAttribute("aria-current");
});
