// Why two tracks are alike: a bar of what each field adds, and the same as numbers.

import { t } from "./strings.js";
import { el } from "./dom.js";
import { state } from "./state.js";

// What items are compared by, as the service tells it: {name: {label, light, dark}}.
const fields = () => state.info?.fields ?? {};
const fieldName = (name) => fields()[name]?.label ?? name;

function fieldColor(name) {
  const field = fields()[name];
  return field ? `light-dark(${field.light}, ${field.dark})` : "var(--other)";
}

export const percent = (value) => `${(100 * value).toFixed(0).replace("-", "−")}`;
const exact = (value) => (100 * value).toFixed(1).replace("-", "−");

/** The bar: its width is a score of 1; what is taken away again lies under a veil. */
export function whyBar(why) {
  const entries = Object.entries(why);
  const sum = entries.reduce((all, [, value]) => all + value, 0);
  const said = entries.map(([name, value]) => `${fieldName(name)} ${exact(value)}`).join(", ");
  return el(
    "span",
    { class: "why", role: "img", "aria-label": t("why.bar", { said }) },
    entries
      .filter(([, value]) => value > 0)
      .map(([name, value]) =>
        el("i", {
          title: `${fieldName(name)} ${exact(value)}`,
          data: { field: name },
          vars: { share: `${100 * value}%`, color: fieldColor(name) },
        }),
      ),
    entries.some(([, value]) => value < 0) &&
      el("u", { vars: { from: `${100 * Math.max(sum, 0)}%` } }),
  );
}

export function whyList(why) {
  return el(
    "ul",
    { class: "why-list" },
    Object.entries(why)
      .filter(([, value]) => Math.abs(value) >= 0.0005)
      .sort(([, a], [, b]) => b - a)
      .map(([name, value]) =>
        el(
          "li",
          {},
          el("i", { vars: { color: fieldColor(name) } }),
          `${fieldName(name)} `,
          el("b", {}, exact(value)),
        ),
      ),
  );
}

/** The legend of the fields that occur in a list of matches. */
export function whyLegend(matches) {
  const present = Object.keys(fields()).filter((name) =>
    matches.some(({ why }) => Math.abs(why?.[name] ?? 0) >= 0.0005),
  );
  if (present.length < 2) return null;
  return el(
    "ul",
    { class: "why-list legend", "aria-label": t("why.legend") },
    present.map((name) =>
      el("li", {}, el("i", { vars: { color: fieldColor(name) } }), fieldName(name)),
    ),
  );
}
