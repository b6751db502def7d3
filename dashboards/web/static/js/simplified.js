// Alerts come with a sentence in Traditional Chinese: here in Simplified, but for the name that it begins
// with, which is the merchant's own. Only letters that such sentences are made of.

const HANT = "業績達過滿會員數於線時間開賣單額長現後總連續個萬億預計備貨異較漲從變為門檻無並當幾點擊轉換務請檢確認與對這裡還沒訂價減種類別級給";
const HANS = "业绩达过满会员数于线时间开卖单额长现后总连续个万亿预计备货异较涨从变为门槛无并当几点击转换务请检确认与对这里还没订价减种类别级给";
const LETTERS = new Map([...HANT].map((letter, at) => [letter, [...HANS][at]]));

// Both sentences begin with the name: it ends where they part.
function nameOf(zh, en) {
  let at = 0;
  while (at < zh.length && zh[at] === en?.[at]) at += 1;
  return zh.slice(0, at);
}

export function simplified({ text_zh: zh, text_en: en }) {
  if (zh == null) return undefined;
  const name = nameOf(zh, en);
  return name + [...zh.slice(name.length)].map((letter) => LETTERS.get(letter) ?? letter).join("");
}
