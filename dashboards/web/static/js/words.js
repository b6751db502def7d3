// What the page says, in Traditional Chinese, Simplified Chinese and English. Braces take values.

export const LANGUAGES = ["zh-Hant", "zh-Hans", "en"];

const HANT = {
  title: "戰情室", opened: "{time} 開賣", noSale: "即時銷售",
  lag: "Kafka 積壓", watermark: "水位落後", updated: "秒前更新", waiting: "等待資料", ended: "連線中斷",
  oldNotice: "資料已 {s} 秒沒有更新，畫面停在 {time}", redisAway: "Redis 沒有回應，畫面停在 {time}，恢復後自動更新",
  lost: "與伺服器斷線，正在重新連線…",
  today: "今日成交額", todayTimes: "今日業績是平常一整天的", ofDay: "平常一整天的 {x} 倍", approx: "約",
  ordersMinute: "筆／分鐘", ordersToday: "今日訂單", samePeriod: "同期倍數", newMembers: "新會員", newMembersToday: "今日新會員",
  visitors: "今日訪客", merchants: "家商店有成交", memberTimes: "新會員倍數", conversion: "轉換率",
  headline: "此刻領先", headlineSentence: "{window}的業績，是平常一整天的 {x} 倍",
  window: { "1m": "最近一分鐘", "5m": "最近五分鐘", "1h": "最近一小時", "12h": "最近十二小時", day: "今天", sale: "開賣以來" },
  short: { "1m": "1 分", "5m": "5 分", "1h": "1 時", "12h": "12 時", day: "今日", sale: "開賣" },
  curve: "今日成交與平常一天", perMinute: "每分鐘", summed: "累計", todayLine: "今天", usualLine: "平常一天",
  curveLabel: "今日成交曲線：{today}，平常此時 {usual}", board: "業績倍數榜", days: "平常一整天",
  shares: "通路與城市級別", channel: "通路", city_tier: "城市級別", others: "其他 {n} 項", unknown: "未標示", tier: "{n} 線",
  stock: "即將售罄", left: "剩 {n}", soldOut: "{time} 售罄", inMinutes: "{n} 分後售罄", atOnce: "1 分內售罄", gone: "已售罄",
  alerts: "警示", active: "進行中", none: "目前沒有", noClicks: "尚無點擊資料", noShares: "尚無通路資料", noStock: "尚無存貨資料", noAlerts: "目前沒有警示", noBoard: "等待第一筆倍數",
  severity: { info: "提示", warning: "注意", critical: "緊急" },
  streamer: "直播模式", back: "返回", id: "編號", peak: "尖峰一小時", peakAt: "{time} 止", peakShort: "尖峰", hours100: "前 100 位會員", hours: "{x} 小時", usually: "平常 {x}",
  measures: { orders: "訂單", units: "件數", gmv: "成交額", refunds: "退款", new_members: "新會員", views: "瀏覽", carts: "加購", favorites: "收藏", visitors: "訪客", buyers: "買家", sales_multiple: "業績倍數", same_period_multiple: "同期倍數", new_member_multiple: "新會員倍數", conversion: "轉換率", private_traffic_share: "私域流量", repurchase_rate: "回購率" },
  funnel: "今日漏斗", ofViews: "瀏覽的 {p}", windows: "各時段", channels: "今日通路", membersCurve: "新會員累計", membersLabel: "今日新會員累計：{today}，平常此時 {usual}", pastAlerts: "先前的警示", noSeries: "領先過或受關注的商家才有逐分鐘的曲線", noMerchant: "沒有這個商家的資料：{id}", loading: "載入中…", noBaseline: "沒有基準日",
  replay: "重播", pause: "暫停", play: "播放", live: "回到即時", replayEmpty: "Redis 裡還沒有可重播的曲線",
  help: "鍵盤", close: "關閉", motion: "減少動態效果",
  keys: { "L": "切換語言", "S": "直播模式：只顯示倍數", "W": "倍數榜換時段", "C": "每分鐘／累計", "← →": "在曲線上逐點讀數", "M": "減少動態效果", "F": "全螢幕", "1 – 9": "打開榜上的商家", "Esc": "返回", "?": "這個說明" },
};

const HANS = {
  title: "战情室", opened: "{time} 开卖", noSale: "实时销售",
  lag: "Kafka 积压", watermark: "水位落后", updated: "秒前更新", waiting: "等待数据", ended: "连接中断",
  oldNotice: "数据已 {s} 秒没有更新，画面停在 {time}", redisAway: "Redis 没有响应，画面停在 {time}，恢复后自动更新",
  lost: "与服务器断开，正在重新连接…",
  today: "今日成交额", todayTimes: "今日业绩是平常一整天的", ofDay: "平常一整天的 {x} 倍", approx: "约",
  ordersMinute: "单／分钟", ordersToday: "今日订单", samePeriod: "同期倍数", newMembers: "新会员", newMembersToday: "今日新会员",
  visitors: "今日访客", merchants: "家商店有成交", memberTimes: "新会员倍数", conversion: "转化率",
  headline: "此刻领先", headlineSentence: "{window}的业绩，是平常一整天的 {x} 倍",
  window: { "1m": "最近一分钟", "5m": "最近五分钟", "1h": "最近一小时", "12h": "最近十二小时", day: "今天", sale: "开卖以来" },
  short: { "1m": "1 分", "5m": "5 分", "1h": "1 时", "12h": "12 时", day: "今日", sale: "开卖" },
  curve: "今日成交与平常一天", perMinute: "每分钟", summed: "累计", todayLine: "今天", usualLine: "平常一天",
  curveLabel: "今日成交曲线：{today}，平常此时 {usual}", board: "业绩倍数榜", days: "平常一整天",
  shares: "渠道与城市级别", channel: "渠道", city_tier: "城市级别", others: "其他 {n} 项", unknown: "未标示", tier: "{n} 线",
  stock: "即将售罄", left: "剩 {n}", soldOut: "{time} 售罄", inMinutes: "{n} 分后售罄", atOnce: "1 分内售罄", gone: "已售罄",
  alerts: "告警", active: "进行中", none: "目前没有", noClicks: "尚无点击数据", noShares: "尚无渠道数据", noStock: "尚无库存数据", noAlerts: "目前没有告警", noBoard: "等待第一个倍数",
  severity: { info: "提示", warning: "注意", critical: "紧急" },
  streamer: "直播模式", back: "返回", id: "编号", peak: "高峰一小时", peakAt: "{time} 止", peakShort: "高峰", hours100: "前 100 位会员", hours: "{x} 小时", usually: "平常 {x}",
  measures: { orders: "订单", units: "件数", gmv: "成交额", refunds: "退款", new_members: "新会员", views: "浏览", carts: "加购", favorites: "收藏", visitors: "访客", buyers: "买家", sales_multiple: "业绩倍数", same_period_multiple: "同期倍数", new_member_multiple: "新会员倍数", conversion: "转化率", private_traffic_share: "私域流量", repurchase_rate: "复购率" },
  funnel: "今日漏斗", ofViews: "浏览的 {p}", windows: "各时段", channels: "今日渠道", membersCurve: "新会员累计", membersLabel: "今日新会员累计：{today}，平常此时 {usual}", pastAlerts: "先前的告警", noSeries: "领先过或受关注的商家才有逐分钟的曲线", noMerchant: "没有这个商家的数据：{id}", loading: "加载中…", noBaseline: "没有基准日",
  replay: "回放", pause: "暂停", play: "播放", live: "回到实时", replayEmpty: "Redis 里还没有可回放的曲线",
  help: "键盘", close: "关闭", motion: "减少动态效果",
  keys: { "L": "切换语言", "S": "直播模式：只显示倍数", "W": "倍数榜换时段", "C": "每分钟／累计", "← →": "在曲线上逐点读数", "M": "减少动态效果", "F": "全屏", "1 – 9": "打开榜上的商家", "Esc": "返回", "?": "这个说明" },
};

const EN = {
  title: "WAR ROOM", opened: "sale opened {time}", noSale: "live sales",
  lag: "Kafka lag", watermark: "watermark behind", updated: "s ago", waiting: "waiting for data", ended: "disconnected",
  oldNotice: "No news for {s} s: the picture stands at {time}", redisAway: "Redis does not answer: the picture stands at {time} and goes on by itself",
  lost: "The server is away: reconnecting…",
  today: "Sales today", todayTimes: "Today, in ordinary days", ofDay: "{x} × an ordinary day", approx: "≈",
  ordersMinute: "orders/min", ordersToday: "orders today", samePeriod: "same period", newMembers: "New members", newMembersToday: "new members today",
  visitors: "visitors today", merchants: "merchants selling", memberTimes: "new members", conversion: "conversion",
  headline: "Leading now", headlineSentence: "{window} sold {x} times an ordinary day",
  window: { "1m": "The last minute", "5m": "The last five minutes", "1h": "The last hour", "12h": "The last twelve hours", day: "Today", sale: "The sale" },
  short: { "1m": "1m", "5m": "5m", "1h": "1h", "12h": "12h", day: "day", sale: "sale" },
  curve: "Today over an ordinary day", perMinute: "per minute", summed: "summed", todayLine: "today", usualLine: "ordinary day",
  curveLabel: "Sales today: {today}, ordinarily {usual}", board: "Sales multiples", days: "an ordinary day",
  shares: "Channels and city tiers", channel: "Channel", city_tier: "City tier", others: "{n} others", unknown: "not told", tier: "tier {n}",
  stock: "About to sell out", left: "{n} left", soldOut: "out at {time}", inMinutes: "out in {n} min", atOnce: "out within 1 min", gone: "sold out",
  alerts: "Alerts", active: "active", none: "none", noClicks: "no clicks yet", noShares: "no channels yet", noStock: "no stock data yet", noAlerts: "no alerts now", noBoard: "waiting for the first multiple",
  severity: { info: "info", warning: "watch", critical: "urgent" },
  streamer: "Streamer", back: "Back", id: "id", peak: "Peak hour", peakAt: "until {time}", peakShort: "peak", hours100: "First 100 members", hours: "{x} h", usually: "usually {x}",
  measures: { orders: "orders", units: "units", gmv: "sales", refunds: "refunds", new_members: "new members", views: "views", carts: "carts", favorites: "favorites", visitors: "visitors", buyers: "buyers", sales_multiple: "sales multiple", same_period_multiple: "× same period", new_member_multiple: "× new members", conversion: "conversion", private_traffic_share: "own traffic", repurchase_rate: "repurchase" },
  funnel: "Funnel today", ofViews: "{p} of views", windows: "Windows", channels: "Channels today", membersCurve: "New members, summed", membersLabel: "New members today: {today}, ordinarily {usual} by now", pastAlerts: "Earlier alerts", noSeries: "only merchants that led or are watched have a curve", noMerchant: "no results for the merchant {id}", loading: "loading…", noBaseline: "no baseline",
  replay: "Replay", pause: "Pause", play: "Play", live: "Back to live", replayEmpty: "Redis holds no curve to replay yet",
  help: "Keys", close: "Close", motion: "Less motion",
  keys: { "L": "language", "S": "streamer mode: multiples only", "W": "window of the leaderboard", "C": "per minute or summed", "← →": "read a curve that has the focus", "M": "less motion", "F": "full screen", "1 – 9": "open a merchant of the leaderboard", "Esc": "back", "?": "this help" },
};

const ALL = { "zh-Hant": HANT, "zh-Hans": HANS, en: EN };
export const NAMES = { "zh-Hant": "繁中", "zh-Hans": "简中", en: "EN" };
let words = HANT;
let lang = "zh-Hant";

export const language = () => lang;

export function speak(wanted) {
  lang = LANGUAGES.includes(wanted) ? wanted : "zh-Hant";
  words = ALL[lang];
  document.documentElement.lang = lang;
}

// What ?lang= or the browser asks for: zh, zh-TW, zh-CN, en-GB … or null.
export function languageOf(text) {
  const asked = (text ?? "").toLowerCase();
  if (asked.startsWith("en")) return "en";
  if (!asked.startsWith("zh")) return null;
  return /hans|cn|sg|my/.test(asked) ? "zh-Hans" : "zh-Hant";
}

export function say(key, values = {}) {
  const [name, part] = key.split(".");
  const text = part === undefined ? words[name] : words[name]?.[part];
  return (text ?? part ?? name).replace(/\{(\w+)\}/g, (_, v) => values[v] ?? "");
}

// Every key that a language has a word for, sorted.
export function known(name) {
  const flat = (entries, before = "") => Object.entries(entries).flatMap(([key, value]) =>
    (typeof value === "string" ? [before + key] : flat(value, `${before}${key}.`)));
  return flat(ALL[name]).sort();
}

export const keys = () => Object.entries(words.keys);
