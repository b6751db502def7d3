"""Ratios within a window, from exact numbers; what would be divided by 0 is absent (NaN)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from loadgen.draws import I64
from schemas.windows import windows_of

OF: Final = {
    "private_traffic_share": ("private_views", "sourced_views"),
    "cart_rate": ("carts", "views"),
    "favorite_rate": ("favorites", "views"),
    "order_rate": ("orders", "views"),
    "new_member_rate": ("new_members", "visitors"),
    "conversion": ("buyers", "visitors"),
    "repurchase_rate": ("returning_buyers", "buyers"),
}
"""Every rate as dividend and divisor. ``sourced_views``: those that say whose traffic they are."""


def rates_of(measures: Mapping[str, I64], people: Mapping[str, I64]) -> dict[str, npt.NDArray[np.float64]]:
    """``conversion:1h`` and the like from columns of measures and people, where those are told.

    Without clicks only ``repurchase_rate``.
    """
    told = {}
    columns = {**measures, **people}
    for name, (above, below) in OF.items():
        for window in windows_of(name):
            divisor = _column(columns, below, window)
            if divisor is None or f"{above}:{window}" not in columns:
                continue
            told[f"{name}:{window}"] = columns[f"{above}:{window}"] / np.where(divisor > 0, divisor, np.nan)
    return told


def _column(columns: Mapping[str, I64], name: str, window: str) -> I64 | None:
    if name != "sourced_views":
        return columns.get(f"{name}:{window}")
    private, platform = columns.get(f"private_views:{window}"), columns.get(f"platform_views:{window}")
    return None if private is None or platform is None else private + platform
