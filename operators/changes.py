"""What has changed of a merchant, as bits: a group of fields and a window each.

Orders and clicks change different fields, so a merchant whose orders change does not have its click fields
written again, and one without clicks never gets any.
"""

from __future__ import annotations

from typing import Final

from schemas.windows import WINDOWS

ORDER_SHIFT: Final = 0
CLICK_SHIFT: Final = len(WINDOWS)
"""Bit ``ORDER_SHIFT + w``: fields from orders in window ``w``; bit ``CLICK_SHIFT + w``: those from clicks."""
ORDER_CHANGED: Final = (1 << len(WINDOWS)) - 1
CLICK_CHANGED: Final = ORDER_CHANGED << CLICK_SHIFT
TEXTS_CHANGED: Final = 1 << 2 * len(WINDOWS)
"""Bit of fields that are texts."""
ALL_CHANGED: Final = 0xFFFF
"""Every bit, also those that have no meaning yet."""
