"""The demo's verdict: each number of the report beside the oracle's, and whether all agree exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import UNSET, Struct

from loadgen.difference import Difference
from loadgen.oracle import Answers, fields_of
from schemas.dead_letters import REASONS
from warroom.cells import left, right
from warroom.demo_checks import Check, counted, decimal
from warroom.demo_people import People, duplicate_checks, people_checks
from warroom.phrases import Language
from warroom.report import BattleReport, MerchantStory
from warroom.report_text import WIDTH, yuan


class Verdict(Struct, frozen=True):
    """All checks, and every field of every merchant that differs."""

    checks: list[Check]
    differences: list[str]

    @property
    def agrees(self) -> bool:
        """Whether everything agrees exactly."""
        return not self.differences and all(c.agrees for c in self.checks)


def verdict_of(
    report: BattleReport,
    answers: Answers,
    dead_letters: Mapping[str, int],
    duplicates: Mapping[str, int],
    people: People,
    differences: list[Difference],
) -> Verdict:
    """Compare what was reported, refused and left out with the oracle."""
    checks = [
        *_stories(report, answers),
        *_totals(report, answers),
        *people_checks(people, answers, report.window),
        *_refused(answers, dead_letters),
        *duplicate_checks(duplicates, answers),
    ]
    told = [
        f"{d.merchant} {d.field}: {d.found or 'absent'}, oracle {d.expected or 'absent'}" for d in differences
    ]
    fields = sum(fields_of(m) for m in answers.merchants.values())
    checks.append(
        Check(
            f"{len(answers.merchants):,} 個商家的每個欄位",
            f"every field of {len(answers.merchants):,} merchants",
            f"{fields - len(told):,}",
            f"{fields:,}",
        )
    )
    return Verdict(checks, told)


def _stories(report: BattleReport, answers: Answers) -> Iterator[Check]:
    ours = {story.merchant_id: story for story in report.watched}
    for merchant_id, story in answers.story.items():
        mine = ours.get(merchant_id)
        name = story.name
        peak = story.peak
        same = None if peak.same_period_multiple is UNSET else peak.same_period_multiple
        sales = None if peak.sales_multiple is UNSET else peak.sales_multiple
        yield _multiple(f"{name} 尖峰一小時 ÷ 平日", f"{name} peak hour ÷ day", _peak(mine), sales)
        yield _multiple(f"{name} 尖峰 ÷ 同期", f"{name} peak ÷ same period", _same(mine), same)
        yield _multiple(
            f"{name} 開賣 12 小時 ÷ 平日",
            f"{name} sale at +12 h ÷ day",
            _half_day(mine),
            story.sale_12h_multiple,
        )
        orders = mine.orders if mine else None
        gmv_fen = mine.gmv_fen if mine else None
        yield Check(f"{name} 訂單", f"{name} orders", counted(orders), counted(story.orders))
        yield Check(f"{name} 成交額", f"{name} GMV", _amount(gmv_fen), _amount(story.gmv_fen))


def _totals(report: BattleReport, answers: Answers) -> Iterator[Check]:
    totals, window = answers.totals, report.window
    yield Check("全部訂單", "all orders", counted(report.orders), counted(totals[f"orders:{window}"]))
    yield Check("全部成交額", "all GMV", _amount(report.gmv_fen), _amount(totals[f"gmv:{window}"]))
    yield Check("全部退款", "all refunds", _amount(report.refunds_fen), _amount(totals[f"refunds:{window}"]))


def _refused(answers: Answers, dead_letters: Mapping[str, int]) -> Iterator[Check]:
    for reason in REASONS:
        ours, oracle = dead_letters.get(reason, 0), answers.dead_letters.get(reason, 0)
        yield Check(f"退件 {reason}", f"dead letters: {reason}", counted(ours), counted(oracle))


def _peak(story: MerchantStory | None) -> float | None:
    return story.peak_multiple if story else None


def _same(story: MerchantStory | None) -> float | None:
    return story.peak_same_period_multiple if story else None


def _half_day(story: MerchantStory | None) -> float | None:
    return story.sale_12h_multiple if story else None


def _multiple(what_zh: str, what_en: str, ours: float | None, oracle: float | None) -> Check:
    return Check(what_zh, what_en, decimal(ours), decimal(oracle))


def _amount(fen: int | None) -> str:
    return counted(None) if fen is None else yuan(fen)


MOST_DIFFERENCES = 20


def verdict_text(verdict: Verdict, language: Language) -> str:
    """A table of ours and the oracle's, at 80 cells, and one sentence at the end."""
    chinese = language == "zh"
    title, ours, oracle = ("核對", "戰情室", "答案") if chinese else ("Check", "Warroom", "oracle")
    lines = [left(title, 34) + right(ours, 21) + right(oracle, 21), "─" * WIDTH]
    for check in verdict.checks:
        what = check.what_zh if chinese else check.what_en
        mark = "  ✓" if check.agrees else "  ✗"
        lines.append(left(what, 34) + right(check.ours, 21) + right(check.oracle, 21) + mark)
    lines += [f"  ✗ {line}" for line in verdict.differences[:MOST_DIFFERENCES]]
    if chinese:
        end = "全部相符，一分不差。" if verdict.agrees else "有不符之處，見 ✗。"
    else:
        end = "All agree, to the last fen." if verdict.agrees else "Not all agree: see ✗."
    return "\n".join([*lines, "─" * WIDTH, end]) + "\n"
