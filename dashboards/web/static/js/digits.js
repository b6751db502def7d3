// A number whose digits roll. Read by others from aria-label and data-value.

import { el, flag } from "./dom.js";

function digit() {
  const strip = el("span");
  for (let i = 0; i < 10; i += 1) strip.append(el("i", {}, String(i)));
  const made = el("span", { class: "d", "aria-hidden": "true" }, strip);
  made.strip = strip;
  return made;
}

function roll(column, value) {
  if (column.value === value) return;
  column.value = value;
  column.strip.style.transform = `translateY(${-value * 10}%)`;
}

// shown: text of digits, marks and signs; value: what it stands for.
export function showDigits(host, shown, value) {
  const signature = shown.replace(/\d/g, "0");
  if (host.signature !== signature) {
    host.signature = signature;
    host.replaceChildren(...[...shown].map((c) => (/\d/.test(c) ? digit()
      : el("span", { class: ",.".includes(c) ? "mark-char" : "sign", "aria-hidden": "true" }, c))));
  }
  [...shown].forEach((c, at) => { if (/\d/.test(c)) roll(host.children[at], Number(c)); });
  host.style.setProperty("--wide", [...shown].reduce((sum, c) => sum + (/\d/.test(c) ? 0.485 : ",.".includes(c) ? 0.22 : 0.55), 0));
  flag(host, "aria-label", shown);
  flag(host, "data-value", value);
}
