// One merchant's page: all windows, funnel, new members, curve, channels, alerts.

import { Curve } from "./curve.js";
import { $, el } from "./dom.js";
import { DASH, minute, percent, short, times, whole, yuan } from "./format.js";
import { fillAlerts } from "./panels.js";
import { say } from "./words.js";

const WINDOWS = ["1m", "5m", "1h", "12h", "day", "sale"];
const AMOUNTS = ["gmv", "refunds"], COUNTS = ["orders", "units", "new_members", "views", "carts", "visitors", "buyers"];
const RATIOS = ["sales_multiple", "same_period_multiple", "new_member_multiple"], SHARES = ["conversion", "private_traffic_share", "repurchase_rate"];
const EVERY_MS = 1000, CURVE_EVERY_MS = 5000;

export class MerchantPage {
  constructor(settings) {
    this.settings = settings;  // () => ({ streamer, day, close })
    this.id = null;
  }

  open(id) {
    this.close();
    this.id = id;
    this.before = document.activeElement;
    const box = $("merchant");
    box.hidden = false;
    box.replaceChildren(this.head(), el("p", { class: "none" }, say("loading")));
    box.querySelector("button").focus();
    this.load();
    this.timer = setInterval(() => this.load(), EVERY_MS);
  }

  close() {
    clearInterval(this.timer);
    this.curve?.close();
    this.curve = this.sheet = this.series = null;
    this.seriesAt = 0;
    if (this.id !== null) { $("merchant").hidden = true; this.before?.focus?.(); }
    this.id = null;
  }

  async load() {
    const id = this.id, path = encodeURIComponent(id);
    try {
      const answer = await fetch(`/api/v1/merchants/${path}`);
      if (this.id !== id) return;
      if (answer.status === 404) { this.empty(say("noMerchant", { id })); return; }
      if (!answer.ok) return;
      this.fields = await answer.json();
      if (Date.now() - (this.seriesAt ?? 0) > CURVE_EVERY_MS) {
        const { day } = this.settings();
        const span = day ? `&from=${day[0]}&until=${day[1]}` : "";
        const series = await fetch(`/api/v1/series/${path}?shape=columns&fields=gmv${span}`);
        if (series.ok) { this.series = await series.json(); this.seriesAt = Date.now(); }
      }
      if (this.id === id) this.show();
    } catch { /* the line is down; the wall says so, the next second tries again */ }
  }

  empty(words) {
    clearInterval(this.timer);
    $("merchant").replaceChildren(this.head(), el("p", { class: "none" }, words));
  }

  head() {
    this.name = el("h1", { id: "merchant-name" });
    return el("header", {}, this.name, el("code", {}, this.id), el("button", { type: "button", onclick: () => this.settings().close() }, `${say("back")}  Esc`));
  }

  refresh() { if (this.id !== null && this.fields) { $("merchant").replaceChildren(); this.sheet = null; this.curve?.close(); this.show(); } }

  show() {
    const { streamer, day } = this.settings(), f = this.fields, box = $("merchant");
    if (!this.sheet) {
      this.canvas = el("canvas", { role: "img", tabindex: "0" });
      this.curve = new Curve(this.canvas);
      this.parts = { tiles: el("div", { class: "tiles" }), funnel: el("ol", { class: "steps" }), windows: el("table"), channels: el("table"), alerts: el("ol"), none: el("p", { class: "none" }, say("noAlerts")) };
      this.sheet = el("div", { class: "sheet" }, this.parts.tiles,
        panel("chart", say("curve"), this.canvas), panel("funnel", say("funnel"), this.parts.funnel),
        panel("windows", say("windows"), this.parts.windows), panel("parts", say("channels"), this.parts.channels),
        panel("alerts its-alerts", say("alerts"), this.parts.alerts, this.parts.none));
      box.replaceChildren(this.head(), this.sheet);
    }
    this.name.textContent = f.name ?? this.id;
    this.parts.tiles.replaceChildren(...tiles(f));
    this.parts.funnel.replaceChildren(...funnel(f, streamer));
    this.parts.windows.replaceChildren(...table(f, streamer));
    this.parts.channels.replaceChildren(...channels(f, streamer));
    fillAlerts(this.parts.alerts, f.alerts ?? [], () => {});
    this.parts.none.hidden = (f.alerts ?? []).length > 0;
    this.curve.set(curveOf(this.series, day), streamer, (f.alerts ?? []).map((a) => ({ ms: a.bucket_end_ms, color: "#ffc24b" })));
  }
}

const panel = (name, title, ...inside) => el("section", { class: `panel ${name}` }, el("header", {}, el("h2", {}, title)), ...inside);

function curveOf(series, day) {
  const columns = series?.columns ?? { time: [], gmv: [] };
  const start = day?.[0] ?? columns.time[0] ?? 0;
  return { day_start_ms: start, ordinary: series?.ordinary, points: Object.fromEntries(columns.time.map((t, i) => [t, [columns.gmv[i]]])) };
}

function tiles(f) {
  const tile = (title, value, small, color = "") => el("section", { class: `panel tile ${color}` }, el("h2", {}, title), el("b", {}, value), el("small", {}, small));
  const x = (v) => (v == null ? DASH : `${times(v)}×`);
  const peak = f["peak_sales_multiple:1h"], members = f["new_member_multiple:day"], hours = f.hours_to_100_new_members;
  const made = [
    tile(say("window.1h"), x(f["sales_multiple:1h"]), f["sales_multiple:1h"] == null ? say("noBaseline") : say("measures.sales_multiple")),
    tile(say("window.day"), x(f["sales_multiple:day"]), say("measures.sales_multiple")),
    tile(say("peak"), x(peak), peak == null ? "" : say("peakAt", { time: minute(f["peak_sales_multiple_at:1h"]) })),
    tile(say("samePeriod"), x(f["same_period_multiple:1h"]), say("window.1h"), "sky"),
  ];
  if (members != null) made.push(tile(say("newMembers"), x(members), say("window.day"), "violet"));
  if (hours != null) {
    const usual = f.baseline_hours_to_100_new_members;
    made.push(tile(say("hours100"), say("hours", { x: times(hours) }), usual == null ? "" : say("usually", { x: say("hours", { x: times(usual) }) }), "violet"));
  }
  return made;
}

function funnel(f, streamer) {
  const steps = ["views", "carts", "favorites", "orders"].map((m) => [m, f[`${m}:day`]]), most = Math.max(1, ...steps.map(([, n]) => n ?? 0)), views = f["views:day"];
  if (!views) return [el("li", {}, el("span"), el("span", { class: "none" }, say("noClicks")), el("span"))];
  return steps.map(([m, n]) => el("li", {}, el("span", {}, say(`measures.${m}`)), el("div", { class: "bar", style: { width: `${Math.max(0.5, ((n ?? 0) / most) * 100)}%` } }),
    el("b", {}, streamer ? percent((n ?? 0) / views) : short(n ?? 0), streamer ? null : el("small", {}, say("ofViews", { p: percent((n ?? 0) / views) })))));
}

function table(f, streamer) {
  const measures = [...RATIOS, ...(streamer ? [] : [...AMOUNTS, ...COUNTS]), ...SHARES].filter((m) => WINDOWS.some((w) => f[`${m}:${w}`] != null));
  const shown = (m, v) => (v == null ? DASH : RATIOS.includes(m) ? times(v) : SHARES.includes(m) ? percent(v) : AMOUNTS.includes(m) ? yuan(v) : whole(v));
  return [
    el("thead", {}, el("tr", {}, el("th"), ...WINDOWS.map((w) => el("th", { scope: "col" }, say(`short.${w}`))))),
    el("tbody", {}, ...measures.map((m) => el("tr", {}, el("th", { scope: "row" }, say(`measures.${m}`)), ...WINDOWS.map((w) => el("td", { "data-field": `${m}:${w}`, "data-value": f[`${m}:${w}`] }, shown(m, f[`${m}:${w}`])))))),
  ];
}

function channels(f, streamer) {
  const rows = Array.isArray(f["channels:day"]) ? f["channels:day"] : [];
  if (!rows.length) return [el("tbody", {}, el("tr", {}, el("td", {}, say("noShares"))))];
  return [el("tbody", {}, ...rows.map(([name, , gmv, share]) => el("tr", {}, el("th", { scope: "row" }, String(name)), streamer ? null : el("td", {}, short(gmv / 100)), el("td", {}, percent(share, 0)))))];
}
