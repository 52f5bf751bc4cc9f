// The legend: what the colors mean; a click on a name shows it alone.

import { ramp } from "./colors.js";
import { $, el } from "./dom.js";
import { language, t } from "./strings.js";
import { themeNow } from "./theme.js";

export const columnName = (name) => t(`column.${name}`);
export const UNITS = { tempo: "BPM", loudness: "LUFS" };

export function shownValue(name, value) {
  if (name === "energy") return `${Math.round(100 * value)} %`;
  const digits = name === "loudness" ? 1 : 0;
  const text = value.toFixed(digits).replace("-", "−");
  return UNITS[name] ? `${text} ${UNITS[name]}` : text;
}

export function showLegend({ choices, by, entries, range, only, onchange, ononly }) {
  const box = $("legend");
  box.hidden = !choices.length;
  if (box.hidden) return;
  const had = document.activeElement?.closest?.("#legend [data-key]")?.dataset.key;
  const select = el(
    "select",
    { id: "color-by", onchange: (event) => onchange(event.target.value) },
    choices.map((name) => el("option", { value: name, selected: name === by }, columnName(name))),
  );
  const parts = [el("label", { class: "by" }, el("span", {}, t("legend.color")), select)];
  if (range) {
    const said = by === "energy" ? [t("legend.calm"), t("legend.busy")] : range.map((value) => shownValue(by, value));
    const stops = ramp(themeNow()).join(", ");
    parts.push(
      el(
        "div",
        { class: "ramp", role: "img", "aria-label": t("legend.ramp", { from: said[0], to: said[1] }) },
        el("i", { vars: { stops: `linear-gradient(to right, ${stops})` } }),
        el("span", {}, said[0]),
        el("span", {}, said[1]),
      ),
    );
  } else {
    parts.push(
      el(
        "ul",
        { class: "entries", "aria-label": t("legend.alone") },
        entries.map(({ key, name, color, count }) =>
          el(
            "li",
            {},
            el(
              "button",
              {
                type: "button",
                data: { key },
                "aria-pressed": `${only === key}`,
                class: only && only !== key ? "off" : "",
                onclick: () => ononly(key),
              },
              el("i", { vars: { color: `rgb(${color.join(" ")})` } }),
              el("span", {}, name ?? t("legend.others")),
              el("small", {}, count.toLocaleString(language())),
            ),
          ),
        ),
      ),
    );
  }
  box.replaceChildren(...parts);
  if (had != null) box.querySelector(`[data-key="${CSS.escape(had)}"]`)?.focus();
}
