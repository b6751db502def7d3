// The leaderboard of sales multiples. Bars stand on a scale of tens: 0.1, 1, 10, 100 ordinary days.

import { $, each, el, flag, nothing, text } from "./dom.js";
import { minute, times } from "./format.js";
import { spark } from "./spark.js";
import { say } from "./words.js";

export const WINDOWS = ["5m", "1h", "12h", "day", "sale"];
const PLACES = 10, HOT = 10;
const along = (x) => Math.min(1, Math.max(0.01, (Math.log10(x) + 1) / 3));

export function showScale() {
  $("board-scale").replaceChildren(...[0.1, 1, 10, 100].map((x) =>
    el("span", { style: { left: `${along(x) * 100}%` } }, `${x}×`)));
}

export function showBoard(sections, window, open) {
  const board = (sections.boards?.[`sales_multiple:${window}`] ?? []).slice(0, PLACES);
  const list = $("board");
  flag(list, "aria-label", `${say("board")}, ${say(`window.${window}`)}`);
  nothing(list, $("board-none"), board.length === 0, say("noBoard"));
  each(list, board, ([id]) => id, ([id]) => row(id, open), (li, [id, multiple], place) => {
    li.style.transform = `translateY(${place * 100}%)`;
    text(li.rank, String(place + 1));
    text(li.name, sections.merchants?.[id]?.name ?? id);
    li.bar.style.width = `${along(multiple) * 100}%`;
    flag(li.track, "data-hot", multiple >= HOT);
    flag(li.multiple, "data-hot", multiple >= HOT);
    text(li.multiple.firstChild, times(multiple));
    flag(li.multiple, "data-value", multiple);
    const curve = sections.sparks?.[id], peak = sections.merchants?.[id]?.["peak_sales_multiple:1h"];
    li.spark.show(curve);
    li.spark.toggleAttribute("hidden", !curve && peak != null);
    li.peak.hidden = Boolean(curve) || peak == null;
    if (!li.peak.hidden) { text(li.peak.firstChild, `${say("peakShort")} ${times(peak)}×`); text(li.peak.lastChild, say("peakAt", { time: minute(sections.merchants[id]["peak_sales_multiple_at:1h"]) })); }
  });
}

function row(id, open) {
  const rank = el("b", { class: "rank" }), name = el("span", { class: "name" });
  const bar = el("span"), track = el("div", { class: "track" }, bar);
  const multiple = el("b", { class: "multiple" }, el("span"), el("small", {}, "×")), curve = spark();
  // Who has no series has its peak in place of the small curve.
  const peak = el("span", { class: "peak" }, el("b"), el("small"));
  const button = el("button", { type: "button", onclick: () => open(id) }, rank, el("span", { class: "who" }, name, track), curve, peak, multiple);
  return Object.assign(el("li", {}, button), { rank, name, bar, track, multiple, peak, spark: curve });
}
