// Numbers and times for people. Amounts come in fen; what is absent is a dash.

import { language } from "./words.js";

export const DASH = "–";
let zone = "Asia/Shanghai";
let formats = {};

export function setZone(timezone) {
  if (timezone && timezone !== zone) { zone = timezone; formats = {}; }
}

export const whole = (n) => (n == null ? DASH : Math.round(n).toLocaleString("en-US"));
export const yuan = (fen) => (fen == null ? DASH : `¥${Math.floor(fen / 100).toLocaleString("en-US")}`);
export const percent = (share, places = 1) => (share == null ? DASH : `${(share * 100).toFixed(places)}%`);

// A multiple: three digits that matter.
export function times(x) {
  if (x == null) return DASH;
  if (x >= 99.95) return Math.round(x).toLocaleString("en-US");
  return x >= 9.995 ? x.toFixed(1) : x.toFixed(2);
}

// 1.29 億, 3,021 萬; 128.67 M in English. Units that are said, not counted.
export function short(n) {
  if (n == null) return DASH;
  const steps = language() === "en" ? [[1e9, " B"], [1e6, " M"], [1e3, " k"]]
    : language() === "zh-Hans" ? [[1e8, " 亿"], [1e4, " 万"]] : [[1e8, " 億"], [1e4, " 萬"]];
  for (const [size, unit] of steps) {
    if (Math.abs(n) >= size) {
      const x = n / size;
      return (x >= 100 ? Math.round(x).toLocaleString("en-US") : x >= 10 ? x.toFixed(1) : x.toFixed(2)) + unit;
    }
  }
  return Math.round(n).toLocaleString("en-US");
}

// A stretch of time in seconds, in the unit that suits it.
export function duration(seconds) {
  const [size, unit] = seconds < 100 ? [1, "s"] : seconds < 6000 ? [60, "min"] : [3600, "h"];
  return `${Math.round(seconds / size)} ${unit}`;
}

const format = (name, options) =>
  (formats[name + language()] ??= new Intl.DateTimeFormat(name === "date" ? language() : "en-GB", { timeZone: zone, hourCycle: "h23", ...options }));

export const clock = (ms) => format("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);
export const minute = (ms) => format("minute", { hour: "2-digit", minute: "2-digit" }).format(ms);
export const date = (ms) => format("date", { month: "numeric", day: "numeric", weekday: "short" }).format(ms);
