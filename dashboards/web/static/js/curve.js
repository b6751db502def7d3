// A day over the ordinary day, on a canvas: sales or new members, a minute a point or summed up.

import { minute, short, times, whole, yuan } from "./format.js";
import { say } from "./words.js";

const MINUTES = 1440, COMMON = 0.97, RUSH = 3;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// What is drawn, of what, in which colour. ``least``: the axis never counts to less.
const fewOrMany = (n) => (n > 0 && n < 10 && n % 1 ? n.toFixed(1) : whole(n));
export const SALES = { label: "curveLabel", color: "--sky", fade: "#62d0ff", deep: "#3f7bff", least: 1, axis: (fen) => short(fen / 100), told: yuan };
export const MEMBERS = { label: "membersLabel", color: "--violet", fade: "#c3a6ff", deep: "#8a5cff", least: 4, axis: fewOrMany, told: fewOrMany };

// Values of each minute of the day, in fen or people; NaN where there is none yet.
export function dayValues(curve) {
  const values = new Float64Array(MINUTES).fill(NaN);
  for (const [ms, point] of Object.entries(curve?.points ?? {})) {
    const at = Math.round((Number(ms) - curve.day_start_ms) / 60000);
    if (at >= 0 && at < MINUTES && point[0] != null) values[at] = point[0];
  }
  return values;
}

// The ordinary day's a minute: straight between the middles of the hours.
export function usualValues(hours) {
  if (!hours) return null;
  return Float64Array.from({ length: MINUTES }, (_, m) => {
    const x = (m - 30) / 60, low = Math.floor(x), part = x - low;
    const at = (h) => hours[Math.min(23, Math.max(0, h))] / 60;
    return at(low) * (1 - part) + at(low + 1) * part;
  });
}

function summed(values, stepwise) {
  let sum = 0, last = values.length - 1;
  while (last >= 0 && Number.isNaN(values[last])) last -= 1;
  return values.map((v, m) => {
    if (m > last) return NaN;
    sum += stepwise ? stepwise[Math.floor(m / 60)] / 60 : Number.isNaN(v) ? 0 : v;
    return sum;
  });
}

// Means of so many minutes.
const smooth = (width) => (values) => {
  let sum = 0, n = 0;
  const out = new Float64Array(values.length).fill(NaN);
  for (let m = 0; m < values.length; m += 1) {
    if (!Number.isNaN(values[m])) { sum += values[m]; n += 1; }
    const gone = m - width;
    if (gone >= 0 && !Number.isNaN(values[gone])) { sum -= values[gone]; n -= 1; }
    if (!Number.isNaN(values[m])) out[m] = sum / n;
  }
  return out;
};

// The greatest of every stretch that lies above ``top``.
function summits(values, top) {
  const found = [];
  let best = -1;
  values.forEach((v, m) => {
    if (v > top) best = best < 0 || v > values[best] ? m : best;
    else if (best >= 0) { found.push(best); best = -1; }
  });
  return best < 0 ? found : [...found, best];
}

// 5 萬, not 5.00 萬: marks of the axis are round.
const round = (label) => label.replace(/(\.\d*?)0+(?!\d)/, "$1").replace(/\.(?!\d)/, "");

function niceTop(max) {
  const step = 10 ** Math.floor(Math.log10(max / 4));
  const unit = [1, 2, 2.5, 3, 4, 5, 10].find((k) => k * step * 4 >= max) * step;
  return { top: Math.ceil(max / unit) * unit, unit };
}

// mode: "minute"; "sum", summed up here; "total", of points that are sums of the day already.
// mean: minutes that a point is the mean of.
export class Curve {
  constructor(canvas, { look = SALES, mode = "minute", mean = 5 } = {}) {
    this.canvas = canvas;
    this.look = look;
    this.mode = mode;
    this.mean = mean;
    this.hover = null;
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(canvas);
    canvas.addEventListener("pointermove", (e) => { this.hover = e.offsetX; this.draw(); });
    canvas.addEventListener("pointerleave", () => { this.hover = null; this.draw(); });
    canvas.addEventListener("keydown", (e) => this.step(e));
  }

  close() { this.observer.disconnect(); }

  // hidden: amounts are not told, the axis counts in the ordinary day's greatest minute.
  set(curve, hidden, marks = []) {
    this.hidden = hidden;
    this.marks = marks;
    if (this.curve !== curve) {
      this.curve = curve;
      this.raw = dayValues(curve);
      this.usual = usualValues(curve?.ordinary);
    }
    this.draw();
  }

  step(event) {
    const by = { ArrowLeft: -15, ArrowRight: 15 }[event.key];
    if (!by || !this.area) return;
    event.preventDefault();
    const at = this.hover === null ? this.last ?? 0 : this.minuteAt(this.hover);
    this.hover = this.x(Math.min(MINUTES - 1, Math.max(0, at + by)));
    this.draw();
  }

  x(m) { return this.area.left + (m / MINUTES) * this.area.width; }
  minuteAt(px) { return Math.round(((px - this.area.left) / this.area.width) * MINUTES); }

  draw() {
    const { canvas } = this, box = canvas.getBoundingClientRect();
    if (!box.width || !box.height || !this.raw) return;
    const ratio = Math.min(devicePixelRatio || 1, 2), rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const w = Math.round(box.width * ratio), h = Math.round(box.height * ratio);
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, box.width, box.height);
    this.area = { left: 4.6 * rem, top: 1.2 * rem, width: box.width - 5.6 * rem, height: box.height - 3.2 * rem };
    const today = { minute: smooth(this.mean), sum: summed, total: (sums) => sums }[this.mode](this.raw);
    const usual = this.usual && (this.mode === "minute" ? this.usual : summed(this.usual, this.curve.ordinary));
    let last = MINUTES - 1;
    while (last >= 0 && Number.isNaN(today[last])) last -= 1;
    this.last = last;
    const { top, unit, cut } = this.scale(today, usual, last);
    const y = (v) => this.area.top + this.area.height * (1 - Math.min(v, top) / top);
    this.grid(g, rem, top, unit, y);
    if (usual) this.line(g, usual, y, css("--usual"), rem * 0.13, [rem * 0.5, rem * 0.4]);
    if (last >= 0) this.today(g, today, last, y, rem);
    for (const at of cut) this.cut(g, today, at, rem);
    this.dots(g, today, y, rem);
    if (last >= 0 && this.hover === null) this.newest(g, today, last, y, rem);
    if (this.hover !== null) this.tip(g, today, usual, y, rem);
    this.describe(today, usual, last);
  }

  // A rush of a few minutes must not press the rest of the day flat: it is cut off, and its height written.
  scale(today, usual, last) {
    const by = this.unit() || 1, nice = (most) => { const { top, unit } = niceTop(most / by); return { top: top * by, unit: unit * by }; };
    const values = today.filter((v) => !Number.isNaN(v)).sort(), greatest = values.at(-1) ?? 0;
    const common = Math.max(this.look.least, values[Math.floor(values.length * COMMON)] ?? 0, today[last] ?? 0, ...(usual ?? []));
    if (this.mode !== "minute" || greatest < common * RUSH) return { ...nice(Math.max(common, greatest)), cut: [] };
    const scale = nice(common * 1.25);
    return { ...scale, cut: summits(today, scale.top) };
  }

  cut(g, today, at, rem) {
    const px = this.x(at), top = this.area.top, label = `${this.amount(today[at])}  ${minute(this.curve.day_start_ms + at * 60000)}`;
    g.save(); g.fillStyle = css("--ground"); g.strokeStyle = css(this.look.color); g.lineWidth = rem * 0.13;
    for (const lift of [0.5, 0.9]) {
      const y = top + rem * lift;
      g.beginPath(); g.moveTo(px - rem * 0.6, y + rem * 0.2); g.lineTo(px + rem * 0.6, y - rem * 0.2); g.stroke();
    }
    g.font = `600 ${rem * 1.2}px "Barlow Condensed", "Noto Sans CJK TC", sans-serif`;
    const right = px + rem * 2 + g.measureText(label).width < this.area.left + this.area.width;
    g.fillStyle = css("--ink"); g.textBaseline = "middle"; g.textAlign = right ? "left" : "right";
    g.strokeStyle = css("--panel"); g.lineWidth = rem * 0.3; g.lineJoin = "round";
    g.strokeText(`↑ ${label}`, px + (right ? rem : -rem), top + rem * 0.6);
    g.fillText(`↑ ${label}`, px + (right ? rem : -rem), top + rem * 0.6);
    g.restore();
  }

  grid(g, rem, top, unit, y) {
    g.font = `500 ${rem * 1.05}px "Barlow Condensed", "Noto Sans CJK TC", sans-serif`;
    g.fillStyle = css("--dim"); g.strokeStyle = css("--line"); g.lineWidth = 1;
    g.textAlign = "right"; g.textBaseline = "middle";
    for (let v = 0; v <= top * 1.001; v += unit) {
      g.beginPath(); g.moveTo(this.area.left, y(v)); g.lineTo(this.area.left + this.area.width, y(v)); g.stroke();
      g.fillText(round(this.amount(v)), this.area.left - rem * 0.7, y(v));
    }
    g.textAlign = "center"; g.textBaseline = "top";
    const every = this.area.width < 40 * rem ? 4 : 2;
    for (let hour = 0; hour <= 24; hour += every) {
      g.fillText(`${String(hour).padStart(2, "0")}:00`, this.x(hour * 60), this.area.top + this.area.height + rem * 0.6);
    }
  }

  // In streamer mode amounts become multiples of the ordinary day's greatest minute (or of its whole day).
  unit() {
    if (!this.hidden) return 1;
    return this.usual && (this.mode === "minute" ? Math.max(...this.usual) : this.curve.ordinary.reduce((a, b) => a + b, 0));
  }

  amount(value) {
    if (!this.hidden) return this.look.axis(value);
    const by = this.unit();
    return by ? `${times(value / by)}×` : "";
  }

  line(g, values, y, color, width, dash = []) {
    g.save(); g.beginPath();
    let open = false;
    values.forEach((v, m) => {
      if (Number.isNaN(v)) return;
      if (open) g.lineTo(this.x(m), y(v)); else { g.moveTo(this.x(m), y(v)); open = true; }
    });
    g.setLineDash(dash); g.strokeStyle = color; g.lineWidth = width; g.lineJoin = "round"; g.stroke(); g.restore();
  }

  today(g, values, last, y, rem) {
    const { color, fade: near, deep } = this.look, bottom = this.area.top + this.area.height;
    g.save(); g.beginPath(); let first = null;
    for (let m = 0; m <= last; m += 1) {
      if (Number.isNaN(values[m])) continue;
      if (first === null) { first = m; g.moveTo(this.x(m), y(values[m])); } else g.lineTo(this.x(m), y(values[m]));
    }
    g.lineTo(this.x(last), bottom); g.lineTo(this.x(first ?? 0), bottom); g.closePath();
    const fade = g.createLinearGradient(0, this.area.top, 0, bottom);
    fade.addColorStop(0, `${near}66`); fade.addColorStop(0.6, `${deep}22`); fade.addColorStop(1, `${deep}05`);
    g.fillStyle = fade; g.fill(); g.restore();
    this.line(g, values, y, css(color), rem * 0.2);
    const px = this.x(last), py = y(values[last]);
    g.save(); g.fillStyle = `${near}40`; g.beginPath(); g.arc(px, py, rem * 0.75, 0, 7); g.fill();
    g.fillStyle = "#fff"; g.beginPath(); g.arc(px, py, rem * 0.32, 0, 7); g.fill(); g.restore();
  }

  // What the newest point stands for, beside it, or above where the day ends.
  newest(g, values, last, y, rem) {
    const px = this.x(last), py = y(values[last]), label = this.amount(values[last]);
    g.save();
    g.font = `600 ${rem * 1.5}px "Barlow Condensed", "Noto Sans CJK TC", sans-serif`;
    const right = px + rem * 1.2 + g.measureText(label).width < this.area.left + this.area.width;
    const at = [px + (right ? rem : rem * 0.4), right ? py - rem * 0.2 : py - rem * 1.6];
    g.textBaseline = "middle"; g.textAlign = right ? "left" : "right";
    g.strokeStyle = css("--panel"); g.lineWidth = rem * 0.4; g.lineJoin = "round"; g.fillStyle = "#fff";
    at[1] = Math.max(this.area.top + rem * (right ? 1 : 0), at[1]);
    g.strokeText(label, ...at); g.fillText(label, ...at);
    g.restore();
  }

  // Milestones stand on the curve as diamonds.
  dots(g, values, y, rem) {
    g.save();
    for (const mark of this.marks) {
      const m = Math.round((mark.ms - this.curve.day_start_ms) / 60000);
      if (!(m >= 0 && m < MINUTES) || Number.isNaN(values[m])) continue;
      const px = this.x(m), py = y(values[m]), r = rem * 0.42;
      g.beginPath(); g.moveTo(px, py - r); g.lineTo(px + r, py); g.lineTo(px, py + r); g.lineTo(px - r, py); g.closePath();
      g.fillStyle = mark.color; g.strokeStyle = css("--ground"); g.lineWidth = rem * 0.12; g.fill(); g.stroke();
    }
    g.restore();
  }

  tip(g, today, usual, y, rem) {
    const m = Math.min(MINUTES - 1, Math.max(0, this.minuteAt(this.hover)));
    const px = this.x(m), has = !Number.isNaN(today[m]);
    g.save(); g.strokeStyle = css("--dim"); g.setLineDash([3, 4]);
    g.beginPath(); g.moveTo(px, this.area.top); g.lineTo(px, this.area.top + this.area.height); g.stroke(); g.setLineDash([]);
    const rows = [[minute(this.curve.day_start_ms + m * 60000), ""]];
    if (has) rows.push([say("todayLine"), this.amount(today[m])]);
    if (usual && !Number.isNaN(usual[m])) rows.push([say("usualLine"), this.amount(usual[m])]);
    if (has && usual?.[m]) rows.push(["", `${times(today[m] / usual[m])} ×`]);
    g.font = `500 ${rem * 1.1}px "Barlow Condensed", "Noto Sans CJK TC", sans-serif`;
    const width = Math.max(...rows.map((r) => g.measureText(r.join("   ")).width)) + rem * 1.6, height = rows.length * rem * 1.5 + rem * 0.8;
    const left = px + rem + width > this.area.left + this.area.width ? px - rem - width : px + rem;
    g.fillStyle = "#131d33f2"; g.strokeStyle = css("--usual"); g.beginPath(); g.roundRect(left, this.area.top, width, height, rem * 0.5); g.fill(); g.stroke();
    g.fillStyle = css("--ink"); g.textBaseline = "top";
    rows.forEach(([a, b], i) => {
      g.textAlign = "left"; g.fillText(a, left + rem * 0.8, this.area.top + rem * (0.6 + i * 1.5));
      g.textAlign = "right"; g.fillText(b, left + width - rem * 0.8, this.area.top + rem * (0.6 + i * 1.5));
    });
    g.restore();
  }

  describe(today, usual, last) {
    const shown = (v) => (v === undefined || Number.isNaN(v) ? "–" : this.hidden ? this.amount(v) : this.look.told(v));
    this.canvas.setAttribute("aria-label", say(this.look.label, { today: shown(today[last]), usual: shown(usual?.[last]) }));
  }
}
