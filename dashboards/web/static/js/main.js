// The page: settings, what comes in, what is shown, keys.

import { showBoard, showScale, WINDOWS } from "./board.js";
import { Curve } from "./curve.js";
import { $, each, el, flag, text } from "./dom.js";
import { clock, date, DASH, duration, minute, setZone, times, whole } from "./format.js";
import { connect } from "./link.js";
import { MerchantPage } from "./merchant.js";
import { sentence, showAlerts, showHeadline, showMembers, showShares, showStock, showTotals } from "./panels.js";
import { frame, loadNight, span } from "./replay.js";
import { keys, LANGUAGES, language, languageOf, NAMES, say, speak } from "./words.js";

const OLD_MS = 3000, MOMENT_MS = 6000, LOOK_MS = 200;
const asked = new URLSearchParams(location.search), code = document.querySelector("meta[name=warroom-code]").content;
const kept = (name) => { try { return localStorage.getItem(`warroom.${name}`); } catch { return null; } };
const keep = (name, value) => { try { localStorage.setItem(`warroom.${name}`, value); } catch { /* private window */ } };

const mode = {
  streamer: (asked.get("streamer") ?? kept("streamer")) === "1",
  still: kept("still") === "1",
  window: WINDOWS.includes(asked.get("window")) ? asked.get("window") : "1h",
};
const line = { up: false, at: null, sections: {} };
const told = new Set();
let replay = null, wanted = false, first = true;
const curve = new Curve($("curve"));
const page = new MerchantPage(() => ({ streamer: mode.streamer, day: dayOf(), close: () => open(null) }));

const shown = () => (replay ? replay.sections : line.sections);
const dayOf = () => { const c = shown().curve; return c?.day_start_ms === undefined ? null : [c.day_start_ms, c.day_end_ms]; };

// Once a frame at most, and only what is in sight.
function render() {
  if (wanted) return;
  wanted = true;
  requestAnimationFrame(() => { wanted = false; draw(); });
}

function draw() {
  const s = shown();
  setZone(s.config?.timezone);
  showTotals(s, mode.streamer);
  showHeadline(s, mode.window);
  const usual = Boolean(s.curve?.ordinary);
  each($("legend"), usual ? ["todayLine", "usualLine"] : ["todayLine"], (k) => k, (k) => el("span", { class: k === "usualLine" ? "usual" : null }), (span, k) => text(span, say(k)));
  curve.set(s.curve, mode.streamer, marks(s));
  showBoard(s, mode.window, open);
  showMembers(s, mode.streamer, open);
  showShares(s);
  showStock(s, mode.streamer, open);
  showAlerts(s, open);
  const at = s.clock?.event_time_ms;
  text($("clock"), at == null ? "--:--:--" : clock(at));
  text($("date"), at == null ? "" : date(at));
  const opens = s.config?.sale_opens_ms;
  text($("subtitle"), opens == null ? say("noSale") : say("opened", { time: `${date(opens)} ${minute(opens)}` }));
  if (line.at !== null) flag(document.body, "data-drawn", line.at);
}

// What stands on the curve: not every small milestone of a thousand merchants.
const marks = (s) => [...(s.alerts?.recent ?? []), ...(s.alerts?.active ?? [])].filter((a) => a.severity !== "info").map((a) => ({ ms: a.bucket_end_ms - 60000, color: a.severity === "critical" ? "#ff7a59" : "#ffc24b" }));

// How old the data is: what the server said when it was sent, and the time since.
function age() {
  const { updated_at_ms: updated, now_ms: now } = line.sections.clock ?? {};
  return updated == null || line.at === null ? null : Math.max(0, now - updated) + (Date.now() - line.at);
}

function vitals() {
  const s = line.sections, old = age(), away = s.health?.redis === false;
  const stale = !replay && (old === null ? away || (!line.up && !first) : old > OLD_MS);
  const state = old === null ? "wait" : stale ? "old" : "fresh";
  flag($("fresh"), "data-state", replay ? "wait" : state);
  text($("age"), replay || old === null ? DASH : old < 9950 ? (old / 1000).toFixed(1) : whole(old / 1000));
  text($("age-label"), replay ? say("replay") : old === null ? say(line.up || first ? "waiting" : "ended") : say("updated"));
  flag(document.body, "data-old", stale);
  const lag = s.health?.lag_messages, { event_time_ms: newest, watermark_ms: mark } = s.clock ?? {};
  text($("lag").firstChild, replay || lag == null ? DASH : whole(lag));
  text($("behind").firstChild, replay || newest == null || mark == null ? DASH : duration(Math.max(0, newest - mark) / 1000));
  const at = newest == null ? DASH : clock(newest), notice = $("notice");
  const words = replay || !stale ? "" : !line.up ? say("lost") : away ? say("redisAway", { time: at }) : say("oldNotice", { s: whole((old ?? 0) / 1000), time: at });
  notice.hidden = words === "";
  text(notice, words);
}

// A milestone that is new since the page was opened gets its moment.
function moments(s) {
  const fresh = (s.alerts?.active ?? []).filter((a) => !told.has(a.alert_id));
  for (const a of fresh) told.add(a.alert_id);
  if (first || fresh.length === 0) return;
  const best = fresh.reduce((a, b) => (b.threshold > a.threshold ? b : a));
  if (!best.rule?.startsWith("sales_multiple") || best.severity === "info") return;
  const box = $("moment");
  box.replaceChildren(el("b", {}, `${times(best.value)} ×`), el("span", {}, sentence(best)));
  box.hidden = false;
  clearTimeout(box.timer);
  box.timer = setTimeout(() => { box.hidden = true; }, MOMENT_MS);
}

function take(news) {
  if (news.sections) { line.sections = news.sections; line.at = news.at; }
  line.up = news.up;
  if (news.up && news.sections?.config?.code && news.sections.config.code !== code) { renew(news.sections.config.code); return; }
  if (news.up && !replay) moments(news.sections);
  if (news.up && first) { first = false; if (asked.has("replay")) startReplay(); }
  if (!replay) render();
  vitals();
}

// The server runs other files than this page: load them, once for each version.
function renew(other) {
  if (kept("renewed") === other) return;
  keep("renewed", other);
  location.reload();
}

// A merchant's page has an address of its own, so that going back works.
function open(id) {
  const next = new URL(location.href);
  if (id === null) next.searchParams.delete("merchant"); else next.searchParams.set("merchant", id);
  if (next.href !== location.href) history.pushState(null, "", next);
  route();
}

function route() {
  const id = new URLSearchParams(location.search).get("merchant");
  if (id === null || id === "") page.close();
  else if (id !== page.id) page.open(id);
}

function words() {
  document.title = `${say("title")} Warroom`;
  for (const node of document.querySelectorAll("[data-t]")) text(node, say(node.dataset.t));
  text($("lang"), NAMES[language()]);
  text($("streamer"), say("streamer"));
  flag($("help-button"), "aria-label", say("help"));
  text($("chart-title"), say("curve"));
  text($("board-title"), say("board"));
  tabs($("chart-tabs"), ["minute", "sum"], (m) => say(m === "sum" ? "summed" : "perMinute"), () => curve.mode, (m) => { curve.mode = m; });
  tabs($("board-tabs"), WINDOWS, (w) => say(`short.${w}`), () => mode.window, (w) => { mode.window = w; });
  page.refresh();
  render();
  vitals();
}

function tabs(box, names, label, now, choose) {
  box.replaceChildren(...names.map((name) => el("button", { type: "button", role: "tab", "aria-selected": String(now() === name), onclick: () => { choose(name); words(); } }, label(name))));
}

function apply() {
  document.body.classList.toggle("streamer", mode.streamer);
  document.body.classList.toggle("still", mode.still);
  flag($("streamer"), "aria-pressed", String(mode.streamer));
  page.refresh();
  render();
}

function speakNext() {
  speak(LANGUAGES[(LANGUAGES.indexOf(language()) + 1) % LANGUAGES.length]);
  keep("lang", language());
  words();
}

const toggle = (name) => { mode[name] = !mode[name]; keep(name, mode[name] ? "1" : "0"); apply(); };
const next = (list, now) => list[(list.indexOf(now) + 1) % list.length];

function help() {
  const box = $("help");
  const rows = keys().map(([key, what]) => el("tr", {}, el("td", {}, el("kbd", {}, key)), el("td", {}, what)));
  box.replaceChildren(el("h2", {}, say("help")), el("table", {}, el("tbody", {}, ...rows)), el("button", { type: "button", onclick: () => box.close() }, say("close")));
  box.showModal();
}

const KEYS = {
  l: speakNext, s: () => toggle("streamer"), m: () => toggle("still"), "?": help,
  w: () => { mode.window = next(WINDOWS, mode.window); words(); },
  c: () => { curve.mode = curve.mode === "sum" ? "minute" : "sum"; words(); },
  f: () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()),
  escape: () => open(null),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open || event.target.tagName === "INPUT") return;
  const key = event.key.toLowerCase();
  const rank = /^[1-9]$/.test(key) ? shown().boards?.[`sales_multiple:${mode.window}`]?.[Number(key) - 1] : null;
  if (rank) open(rank[0]);
  else KEYS[key]?.();
});

// ?replay plays the night at 60 times its pace, ?replay=600 at another.
async function startReplay() {
  const box = $("replay");
  box.hidden = false;
  box.replaceChildren(el("b", {}, say("loading")));
  let night;
  try { night = await loadNight(line.sections); } catch { night = null; }
  if (!night?.total.time.length) { box.replaceChildren(el("b", {}, say("replayEmpty"))); return; }
  const [begin, end] = span(night), pace = Math.max(1, Number(asked.get("replay")) || 60);
  const slider = el("input", { type: "range", min: begin, max: end, step: 60000, "aria-label": say("replay"), oninput: () => { replay.at = Number(slider.value); step(0); } });
  const button = el("button", { type: "button", onclick: () => { replay.running = !replay.running; text(button, say(replay.running ? "pause" : "play")); } }, say("pause"));
  const now = el("b");
  box.replaceChildren(el("b", {}, `${say("replay")} ${pace}×`), now, slider, button,
    el("button", { type: "button", onclick: () => { const url = new URL(location.href); url.searchParams.delete("replay"); location.href = url; } }, say("live")));
  replay = { at: begin, running: true, sections: {} };
  document.body.classList.add("replaying");
  function step(by) {
    replay.at = Math.min(end, replay.at + by);
    replay.sections = frame(night, replay.at);
    slider.value = replay.at;
    text(now, minute(replay.at));
    moments(replay.sections);
    render();
  }
  step(0);
  let before = performance.now();
  setInterval(() => { const t = performance.now(); if (replay.running && replay.at < end) step((t - before) * pace); before = t; }, LOOK_MS);
}

$("lang").addEventListener("click", speakNext);
$("streamer").addEventListener("click", () => toggle("streamer"));
$("help-button").addEventListener("click", help);
$("headline").addEventListener("click", () => { if ($("headline").merchant) open($("headline").merchant); });
addEventListener("popstate", route);

speak(languageOf(asked.get("lang")) ?? kept("lang") ?? languageOf(navigator.language) ?? "zh-Hant");
showScale();
apply();
words();
route();
setInterval(vitals, LOOK_MS);
connect(code, take);
