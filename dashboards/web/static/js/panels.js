// The smaller parts of the wall: totals, new members, shares, stock, alerts, the leader.

import { showDigits } from "./digits.js";
import { $, each, el, flag, nothing, text } from "./dom.js";
import { DASH, minute, percent, short, times, whole } from "./format.js";
import { simplified } from "./simplified.js";
import { spark } from "./spark.js";
import { language, say } from "./words.js";

const PARTS = ["#62d0ff", "#ffc24b", "#c3a6ff", "#6fdcb4", "#ff7a59", "#98a6c6", "#e8eefb", "#4f5f85"];
const SIGNS = { info: "◆", warning: "▲", critical: "■" };
const MEMBERS = 6, STOCK = 4, CLOCK = /\s*[（(]\d\d:\d\d[）)]$/;

export function showTotals({ totals = {}, clock = {} }, streamer) {
  const gmv = totals["gmv:day"], multiple = totals["sales_multiple:day"];
  if (streamer) {
    text($("hero-title"), say("todayTimes"));
    showDigits($("total"), multiple == null ? DASH : `${times(multiple)}×`, multiple);
    text($("total-short"), ""); text($("total-multiple"), "");
  } else {
    text($("hero-title"), say("today"));
    showDigits($("total"), gmv == null ? DASH : `¥${whole(Math.floor(gmv / 100))}`, gmv);
    text($("total-short"), gmv == null ? "" : `${say("approx")} ${short(gmv / 100)}`);
    text($("total-multiple"), multiple == null ? "" : say("ofDay", { x: times(multiple) }));
  }
  const same = fact("samePeriod", `${times(totals["same_period_multiple:1h"])}×`, "gold", totals["same_period_multiple:1h"]);
  const facts = streamer
    ? [same, fact("memberTimes", `${times(totals["new_member_multiple:day"])}×`, "violet", totals["new_member_multiple:day"]), fact("conversion", percent(totals["conversion:day"]), "sky", totals["conversion:day"])]
    : [same, fact("ordersMinute", whole(totals["orders:1m"]), "sky", totals["orders:1m"]), fact("ordersToday", whole(totals["orders:day"]), "", totals["orders:day"]),
      fact("newMembersToday", whole(totals["new_members:day"]), "violet", totals["new_members:day"]), fact("merchants", whole(clock.merchants), "", clock.merchants)];
  each($("facts"), facts.filter((f) => f.value != null), (f) => f.name, () => el("div", {}, el("dt"), el("dd")), (div, f) => {
    text(div.children[0], say(f.name)); text(div.children[1], f.shown);
    flag(div.children[1], "class", f.color || null); flag(div.children[1], "data-value", f.value); flag(div, "data-fact", f.name);
  });
}

const fact = (name, shown, color, value) => ({ name, shown, color, value });

export function showHeadline(sections, window) {
  const best = sections.boards?.[`sales_multiple:${window}`]?.[0], box = $("headline");
  box.disabled = !best;
  text($("headline-kicker"), say("headline"));
  text($("headline-name"), best ? sections.merchants?.[best[0]]?.name ?? best[0] : DASH);
  const shown = $("headline-times");
  if (!shown.firstChild) shown.append(el("span"), el("small", {}, "×"));
  text(shown.firstChild, best ? times(best[1]) : "");
  shown.lastChild.hidden = !best;
  text($("headline-sentence"), best ? say("headlineSentence", { window: say(`window.${window}`), x: times(best[1]) }) : say("noBoard"));
  box.merchant = best?.[0];
  box.spark ??= box.appendChild(spark());
  box.spark.show(best ? sections.sparks?.[best[0]] : null);
}

export function showMembers(sections, streamer, open) {
  const metric = streamer ? "new_member_multiple" : "new_members", board = (sections.boards?.[`${metric}:day`] ?? []).slice(0, MEMBERS);
  const total = sections.totals?.["new_members:day"];
  text($("members-total"), streamer || total == null ? "" : whole(total));
  nothing($("members"), $("members-none"), board.length === 0, say("noClicks"));
  const most = board[0]?.[1] ?? 1;
  each($("members"), board, ([id]) => id, ([id]) => memberRow(id, open), (li, [id, score]) => {
    const multiple = sections.merchants?.[id]?.["new_member_multiple:day"];
    text(li.name, sections.merchants?.[id]?.name ?? id);
    text(li.count, streamer ? `${times(score)}×` : whole(score));
    text(li.multiple, streamer || multiple == null ? "" : `${times(multiple)}×`);
    flag(li.firstChild, "data-value", score);
    li.bar.style.width = `${(score / most) * 100}%`;
  });
}

function memberRow(id, open) {
  const name = el("span", { class: "name" }), count = el("span"), multiple = el("small"), bar = el("span");
  const button = el("button", { type: "button", onclick: () => open(id) }, name, el("b", {}, count, multiple), el("span", { class: "thin" }, bar));
  return Object.assign(el("li", {}, button), { name, count, multiple, bar });
}

export function showShares({ shares = {} }) {
  const dimensions = ["channel", "city_tier"].filter((d) => shares[d]?.length);
  nothing($("shares"), $("shares-none"), dimensions.length === 0, say("noShares"));
  each($("shares"), dimensions, (d) => d, () => el("div", { class: "share" }, el("h3"), el("div", { class: "stack", "aria-hidden": "true" }), el("div", { class: "keys" })), (div, d) => {
    const [title, stack, keys] = div.children;
    text(title, say(d));
    const parts = d === "city_tier" ? [...shares[d]].sort(byTier) : shares[d];
    each(stack, parts, (p) => p.value, () => el("span"), (span, p, i) => { span.style.flexGrow = p.share; span.style.background = PARTS[i % PARTS.length]; });
    each(keys, parts, (p) => p.value, () => el("span", {}, el("i"), el("span"), el("b")), (span, p, i) => {
      span.children[0].style.background = PARTS[i % PARTS.length];
      text(span.children[1], partName(d, p)); text(span.children[2], percent(p.share, 0));
      flag(span, "data-value", p.share);
    });
  });
}

const byTier = (a, b) => (Number(a.value) || 99) - (Number(b.value) || 99);

export function partName(dimension, part) {
  if (part.value === null) return say("others", { n: part.values });
  if (part.value === "unknown") return say("unknown");
  return dimension === "city_tier" && /^\d+$/.test(part.value) ? say("tier", { n: part.value }) : part.value;
}

export function showStock(sections, streamer, open) {
  const rows = (sections.stock ?? []).slice(0, STOCK), now = sections.clock?.event_time_ms ?? 0;
  nothing($("stock"), $("stock-none"), rows.length === 0, say("noStock"));
  each($("stock"), rows, (r) => `${r.merchant_id}|${r.item_id}`, (r) => stockRow(r, open), (li, r) => {
    const minutes = r.sold_out_at_ms == null ? null : Math.max(0, Math.round((r.sold_out_at_ms - now) / 60000));
    text(li.name, r.name); text(li.item, r.item_id);
    text(li.when, r.stock_left === 0 ? say("gone") : minutes === null ? DASH : minutes < 1 ? say("atOnce") : say("inMinutes", { n: minutes }));
    flag(li.when, "class", minutes !== null && minutes <= 15 ? "soon" : null);
    text(li.left, streamer || r.stock_left === 0 ? "" : say("left", { n: whole(r.stock_left) }));
  });
}

function stockRow(r, open) {
  const name = el("span"), item = el("small"), when = el("span"), left = el("small");
  const button = el("button", { type: "button", onclick: () => open(r.merchant_id) }, el("span", { class: "name" }, name, item), el("b", {}, when, left));
  return Object.assign(el("li", {}, button), { name, item, when, left });
}

export const sentence = (alert) => ({ en: alert.text_en, "zh-Hans": simplified(alert) }[language()] ?? alert.text_zh ?? alert.rule);
const heavier = { critical: 2, warning: 1, info: 0 };

export function showAlerts({ alerts = {} }, open) {
  const active = [...(alerts.active ?? [])].sort((a, b) => heavier[b.severity] - heavier[a.severity] || b.bucket_end_ms - a.bucket_end_ms);
  const count = $("alerts-count");
  count.replaceChildren(...(alerts.count ? [el("b", {}, String(alerts.count)), say("active")] : []));
  nothing($("alerts"), $("alerts-none"), active.length === 0, say("noAlerts"));
  fillAlerts($("alerts"), active, open);
}

export function fillAlerts(list, alerts, open) {
  each(list, alerts, (a) => a.alert_id, (a) => alertRow(a, open), (li, a) => {
    flag(li, "data-severity", a.severity);
    text(li.sign, SIGNS[a.severity] ?? SIGNS.info);
    flag(li.sign, "aria-label", say(`severity.${a.severity}`));
    text(li.words, sentence(a).replace(CLOCK, "")); text(li.time, minute(a.bucket_end_ms));
  });
}

function alertRow(a, open) {
  const sign = el("span", { class: "sign", role: "img" }), words = el("span", { class: "text" }), time = el("time");
  const line = open ? el("button", { type: "button", onclick: () => open(a.subject) }, sign, words, time) : el("div", {}, sign, words, time);
  return Object.assign(el("li", {}, line), { sign, words, time });
}
