// One merchant's page: all windows, funnel, sales and new members over the ordinary day's, channels, alerts.

import { Curve, MEMBERS } from "./curve.js";
import { $, el } from "./dom.js";
import { DASH, minute, percent, short, times, whole, yuan } from "./format.js";
import { fillAlerts } from "./panels.js";
import { say } from "./words.js";

const WINDOWS = ["1m", "5m", "1h", "12h", "day", "sale"];
const AMOUNTS = ["gmv", "refunds"], COUNTS = ["orders", "units", "new_members", "views", "carts", "visitors", "buyers"];
const RATIOS = ["sales_multiple", "same_period_multiple", "new_member_multiple"], SHARES = ["conversion", "private_traffic_share", "repurchase_rate"];
const EVERY_MS = 1000, CURVE_EVERY_MS = 5000, MEAN_MINUTES = 15, MARKS = { info: "#62d0ff", warning: "#ffc24b", critical: "#ff7a59" };

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
    this.drop();
    this.fields = this.series = null;
    this.seriesAt = 0;
    if (this.id !== null) { $("merchant").hidden = true; this.before?.focus?.(); }
    this.id = null;
  }

  // What is drawn, but not what it shows.
  drop() {
    this.curve?.close();
    this.joins?.close();
    this.curve = this.joins = this.sheet = null;
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
        const series = await fetch(`/api/v1/series/${path}?shape=columns&fields=gmv,new_members:day${span}`);
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

  refresh() { if (this.id !== null && this.fields) { this.drop(); this.show(); } }

  build() {
    const canvas = () => el("canvas", { role: "img", tabindex: "0" }), legend = () => el("p", { class: "legend" }, el("span", {}, say("todayLine")), el("span", { class: "usual" }, say("usualLine")));
    const drawn = { sales: canvas(), joins: canvas() }, none = () => el("p", { class: "none" }, say("noSeries"));
    this.curve = new Curve(drawn.sales, { mean: MEAN_MINUTES });
    this.joins = new Curve(drawn.joins, { look: MEMBERS, mode: "total" });
    this.parts = { tiles: el("div", { class: "tiles" }), funnel: el("ol", { class: "steps" }), windows: el("table"), channels: el("table"), alerts: el("ol"), past: el("ol", { class: "past" }), pastTitle: el("h3", {}, say("pastAlerts")), none: el("p", { class: "none" }, say("noAlerts")) };
    this.charts = [panel("chart sales", say("curve"), legend(), drawn.sales, none()), panel("chart joins", say("membersCurve"), legend(), drawn.joins, none())];
    this.sheet = el("div", { class: "sheet" }, this.parts.tiles, ...this.charts, panel("funnel", say("funnel"), null, this.parts.funnel),
      panel("windows", say("windows"), null, this.parts.windows), panel("parts", say("channels"), null, this.parts.channels),
      panel("alerts its-alerts", say("alerts"), null, el("div", { class: "both", tabindex: "0" }, this.parts.alerts, this.parts.none, this.parts.pastTitle, this.parts.past)));
    $("merchant").replaceChildren(this.head(), this.sheet);
  }

  show() {
    const { streamer, day } = this.settings(), f = this.fields, now = f.alerts ?? [], past = f.past_alerts ?? [];
    if (!this.sheet) this.build();
    this.name.textContent = f.name ?? this.id;
    this.parts.tiles.replaceChildren(...tiles(f));
    this.parts.funnel.replaceChildren(...funnel(f, streamer));
    this.parts.windows.replaceChildren(...table(f, streamer));
    this.parts.channels.replaceChildren(...channels(f, streamer));
    fillAlerts(this.parts.alerts, now, null);
    fillAlerts(this.parts.past, past, null);
    this.parts.none.hidden = now.length > 0;
    this.parts.pastTitle.hidden = past.length === 0;
    const known = Boolean(this.series?.columns.time.length);
    for (const box of this.charts) box.toggleAttribute("data-none", this.series !== null && !known);
    const marks = [...past, ...now].map((a) => ({ ms: a.bucket_end_ms - 60000, color: MARKS[a.severity] ?? MARKS.info, joins: a.rule.startsWith("new_members") }));
    this.curve.set(curveOf(this.series, day, "gmv", this.series?.ordinary), streamer, marks.filter((m) => !m.joins));
    this.joins.set(curveOf(this.series, day, "new_members:day", f.ordinary_new_members_by_hour), streamer, marks.filter((m) => m.joins));
  }
}

const panel = (name, title, legend, ...inside) => el("section", { class: `panel ${name}` }, el("header", {}, el("h2", {}, title), legend), ...inside);

function curveOf(series, day, field, ordinary) {
  const { time = [], [field]: values = [] } = series?.columns ?? {};
  return { day_start_ms: day?.[0] ?? time[0] ?? 0, ordinary, points: Object.fromEntries(time.map((t, i) => [t, [values[i]]])) };
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
    el("b", {}, streamer ? percent((n ?? 0) / views) : short(n ?? 0), streamer || m === "views" ? null : el("small", {}, say("ofViews", { p: percent((n ?? 0) / views) })))));
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
  return [el("tbody", {}, ...rows.map(([name, , gmv, share]) => el("tr", { style: { backgroundSize: `${(share ?? 0) * 100}% 100%` } }, el("th", { scope: "row" }, String(name)), streamer ? null : el("td", {}, short(gmv / 100)), el("td", {}, percent(share, 0)))))];
}
