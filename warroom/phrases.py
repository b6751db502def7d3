"""What the battle report and the live table say, in Traditional Chinese and in English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")


@dataclass(frozen=True, slots=True)
class Phrases:
    """One language. Braces take the numbers."""

    title: str
    since_opening: str
    of_day: str
    orders: str
    units: str
    gmv: str
    refunds: str
    merchants: str
    total_multiple: str
    without_baseline: str
    late: str
    leaders: str
    columns: tuple[str, str, str, str, str, str]
    watched: str
    peak: str
    same_period: str
    same_period_less: str
    sale_12h: str
    sums: str
    new_members: str
    views: str
    private_share: str
    joined_day: str
    joined_sale: str
    joined_multiple: str
    hundred: str
    hundred_ordinary: str
    hours: str
    days: str
    traffic: str
    nothing: str


ZH: Final = Phrases(
    title="戰 報",
    since_opening="{opens} 開賣，統計至 {until}（{zone}）",
    of_day="{day}，統計至 {until}（{zone}）",
    orders="訂單",
    units="件數",
    gmv="成交額",
    refunds="退款",
    merchants="商家",
    total_multiple="全場業績是平常一天的 {multiple} 倍",
    without_baseline="沒有基準的商家 {count} 家，不計倍數",
    late="遲到不計的事件 {count} 筆",
    leaders="尖峰排行（最旺一小時的業績 ÷ 平常一天）",
    columns=("商家", "尖峰", "時段", "同期", "訂單", "成交額"),
    watched="關注商家",
    peak="{hour} 這一小時，業績是平常一整天的 {multiple} 倍",
    same_period="比過去同時段成長 {percent}%，是同期的 {multiple} 倍",
    same_period_less="是過去同時段的 {multiple} 倍",
    sale_12h="開賣 12 小時，業績是平常一天的 {multiple} 倍",
    sums="訂單 {orders} 筆，成交 {gmv}，全程是平常一天的 {multiple} 倍",
    new_members="新會員",
    views="瀏覽",
    private_share="自有流量 {percent}%",
    joined_day="當日新增會員 {count} 人",
    joined_sale="開賣以來新增會員 {count} 人",
    joined_multiple="，是平常一天的 {multiple} 倍",
    hundred="滿 100 人用了 {time}",
    hundred_ordinary="，平常要 {time}",
    hours="{hours} 小時",
    days="{days} 天",
    traffic="瀏覽 {views} 次，其中 {percent}% 來自自己的管道",
    nothing="還沒有結果",
)
EN: Final = Phrases(
    title="BATTLE REPORT",
    since_opening="sale opened {opens}, counted to {until} ({zone})",
    of_day="{day}, counted to {until} ({zone})",
    orders="orders",
    units="units",
    gmv="GMV",
    refunds="refunds",
    merchants="merchants",
    total_multiple="Everybody together sold {multiple} times an ordinary day",
    without_baseline="{count} merchants without a baseline have no multiples",
    late="{count} events came too late to count",
    leaders="Peaks (best hour's sales ÷ an ordinary day's)",
    columns=("merchant", "peak", "hour", "same per.", "orders", "GMV"),
    watched="Watched",
    peak="from {hour} it sold {multiple} times its ordinary day",
    same_period="{percent} % above the same period in the past, {multiple} times it",
    same_period_less="{multiple} times the same period in the past",
    sale_12h="12 hours after sales opened: {multiple} times its ordinary day",
    sums="{orders} orders, {gmv}, {multiple} times its ordinary day in all",
    new_members="new members",
    views="views",
    private_share="own traffic {percent} %",
    joined_day="{count} new members today",
    joined_sale="{count} new members since sales opened",
    joined_multiple=", {multiple} times an ordinary day",
    hundred="the first 100 took {time}",
    hundred_ordinary=", ordinarily {time}",
    hours="{hours} hours",
    days="{days} days",
    traffic="{views} views, {percent} % of them through its own channels",
    nothing="no results yet",
)


def phrases_of(language: Language) -> Phrases:
    """The phrases of a language."""
    return ZH if language == "zh" else EN
