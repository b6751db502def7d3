// The night again, from the series that stand in Redis: frames of the same form as the stream's.

const MINUTE = 60000, LEADERS = 30, HOUR = 60, ALERT_PAGES = 30, SHOWN_ALERTS = 12, ASKED_AGAIN = 5, BOARDS = { "1h": "gmv:1h", day: "gmv:day", sale: "gmv:sale" };

// Asks again where too much was asked at once.
async function json(path) {
  let answer = await fetch(path);
  for (let again = 0; answer.status === 429 && again < ASKED_AGAIN; again += 1) {
    await new Promise((go) => { setTimeout(go, 1000 * (Number(answer.headers.get("retry-after")) || 1)); });
    answer = await fetch(path);
  }
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

// What was told, newest first: some thousand.
async function loadAlerts() {
  const told = [];
  let cursor = "";
  for (let page = 0; page < ALERT_PAGES && cursor !== null; page += 1) {
    const answer = await json(`/api/v1/alerts?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    told.push(...answer.items);
    cursor = answer.next_cursor;
  }
  return told;
}

// Everything that is needed, read once: the total's series and those of the merchants that lead or led.
export async function loadNight(live) {
  const total = await json("/api/v1/series/total?shape=columns");
  const ids = new Set();
  for (const [metric, window] of [["sales_multiple", "day"], ["sales_multiple", "1h"], ["gmv", "day"], ["new_members", "day"]]) {
    const { items } = await json(`/api/v1/merchants?top=${metric}&window=${window}&limit=${LEADERS}`);
    for (const item of items) ids.add(item.merchant_id);
  }
  for (const alert of live.alerts?.recent ?? []) if (alert.rule?.startsWith("sales")) ids.add(alert.subject);
  const merchants = [];
  for (const id of [...ids].slice(0, 60)) {
    const path = encodeURIComponent(id);
    const [fields, series] = await Promise.all([json(`/api/v1/merchants/${path}`), json(`/api/v1/series/${path}?shape=columns`)]).catch(() => []);
    if (!fields?.baseline_gmv || !series.columns.time.length) continue;
    const { name, baseline_gmv: base, baseline_new_members: joins } = fields;
    merchants.push({ id, name: name ?? id, base, joins, at: index(series.columns.time), columns: series.columns });
  }
  return { total: total.columns, at: index(total.columns.time), ordinary: total.ordinary, merchants, alerts: await loadAlerts(), live };
}

// When an alert ended is not in the stream: it stands until the next of its kind, the gravest before the newest.
const GRAVITY = { critical: 2, warning: 1, info: 0 };
function standing(told) {
  const last = new Map();
  for (const a of told) if (!last.has(`${a.rule}|${a.subject}`)) last.set(`${a.rule}|${a.subject}`, a);
  return [...last.values()].sort((a, b) => (GRAVITY[b.severity] ?? 0) - (GRAVITY[a.severity] ?? 0) || b.bucket_end_ms - a.bucket_end_ms);
}

const index = (times) => new Map(times.map((t, i) => [t, i]));

export const span = (night) => [night.total.time[0] + MINUTE, night.total.time.at(-1) + MINUTE];

// The wall as it stood when the minute before ``at`` had closed.
export function frame(night, at) {
  const last = Math.floor(at / MINUTE) * MINUTE - MINUTE, i = night.at.get(last) ?? nearest(night.total.time, last), t = night.total;
  const base = night.live.totals?.baseline_gmv, points = {};
  const day = [night.live.curve?.day_start_ms ?? t.time[0], night.live.curve?.day_end_ms ?? t.time[0] + 1440 * MINUTE];
  for (let k = 0; k <= i; k += 1) if (t.time[k] >= day[0] && t.time[k] < day[1]) points[t.time[k]] = [t.gmv[k]];
  const boards = {}, merchants = {}, sparks = {};
  for (const [window, field] of Object.entries(BOARDS)) {
    boards[`sales_multiple:${window}`] = night.merchants
      .map((m) => [m.id, (m.columns[field][m.at.get(last)] ?? 0) / m.base]).filter(([, x]) => x > 0.005).sort((a, b) => b[1] - a[1]).slice(0, 10);
  }
  const joined = (m) => m.columns["new_members:day"]?.[m.at.get(last)] ?? 0, best = (pairs) => pairs.filter(([, x]) => x > 0).sort((a, b) => b[1] - a[1]).slice(0, 10);
  boards["new_members:day"] = best(night.merchants.map((m) => [m.id, joined(m)]));
  boards["new_member_multiple:day"] = best(night.merchants.map((m) => [m.id, m.joins ? joined(m) / m.joins : 0]));
  for (const m of night.merchants) {
    merchants[m.id] = { name: m.name, "new_member_multiple:day": m.joins ? joined(m) / m.joins : undefined };
    sparks[m.id] = Array.from({ length: 72 }, (_, k) => m.columns["gmv:1h"][m.at.get(last - (71 - k) * 10 * MINUTE)] ?? null);
  }
  const hour = Math.max(0, i - HOUR + 1), ordinary = night.ordinary?.reduce((a, b) => a + b, 0);
  const usual = night.ordinary ? range(hour, i).reduce((sum, k) => sum + night.ordinary[new Date(t.time[k] - day[0]).getUTCHours()] / 60, 0) : 0;
  const told = night.alerts.filter((a) => a.bucket_end_ms <= at), held = standing(told);
  return {
    config: night.live.config, curve: { ...night.live.curve, day_start_ms: day[0], day_end_ms: day[1], ordinary: night.ordinary, points }, boards, merchants, sparks, shares: {}, stock: [],
    clock: { event_time_ms: at, merchants: null },
    totals: {
      "gmv:day": t["gmv:day"][i], "orders:day": t["orders:day"][i], "orders:1m": t.orders[i], "new_members:day": t["new_members:day"]?.[i],
      "sales_multiple:day": base || ordinary ? t["gmv:day"][i] / (base || ordinary) : undefined, "same_period_multiple:1h": usual ? t["gmv:1h"][i] / usual : undefined,
    },
    alerts: { active: held.slice(0, SHOWN_ALERTS), count: held.length, recent: told.slice(0, SHOWN_ALERTS) },
  };
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, k) => from + k);

function nearest(times, wanted) {
  let low = 0;
  while (low + 1 < times.length && times[low + 1] <= wanted) low += 1;
  return low;
}
