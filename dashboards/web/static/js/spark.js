// A small curve without axes: how the last hour's sales went.

import { svg } from "./dom.js";

export function spark() {
  const area = svg("path", { class: "area" }), line = svg("path");
  const made = svg("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" }, area, line);
  made.show = (values) => {
    const last = values?.findLastIndex((v) => v != null) ?? -1;
    const first = values?.findIndex((v) => v != null) ?? -1;
    if (last <= first) { area.setAttribute("d", ""); line.setAttribute("d", ""); return; }
    const max = Math.max(...values.map((v) => v ?? 0), 1), n = values.length - 1;
    const x = (i) => ((i / n) * 100).toFixed(1), y = (v) => (29 - (v / max) * 27).toFixed(1);
    let d = "";
    for (let i = first; i <= last; i += 1) if (values[i] != null) d += `${d ? "L" : "M"}${x(i)} ${y(values[i])}`;
    line.setAttribute("d", d);
    area.setAttribute("d", `${d}L${x(last)} 30L${x(first)} 30Z`);
  };
  return made;
}
