"""``python -m operators.warm`` compiles all that is used later, so that no start waits for a compiler."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from operators import stock_notes, stock_tables, stock_texts
from tests.operators.night import DAY_START_MS, WarRoom, encoded, order, rules

ROOT = Path(__file__).parents[2]
KERNELS: dict[str, Any] = {
    "pack_notes": stock_notes.pack_notes,
    "take_notes": stock_tables.take_notes,
    "pack_names": stock_tables.pack_names,
    "sweep_rings": stock_tables.sweep_rings,
    "put_texts": stock_texts.put_texts,
}


def compiled_for() -> dict[str, list[str]]:
    """The types of arguments for which each kernel is compiled in this process."""
    return {name: [str(types) for types in kernel.signatures] for name, kernel in KERNELS.items()}


def test_what_keeps_stock_is_compiled_by_the_warm_up_for_all_arguments_that_it_is_called_with() -> None:
    script = (
        "import json; from operators import warm; warm.main(); "
        "from tests.operators.test_warm import compiled_for; print(json.dumps(compiled_for()))"
    )
    warmed = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    room = WarRoom(rules())
    events = [
        encoded(order(n, at_ms=DAY_START_MS, item_id=f"i{n % 70} {'x' * 99}", stock_left=n))
        for n in range(200)
    ]
    room.send(0, [*events, encoded(order(200, item_id="\n", stock_left=0))])
    for shard in room.shards:
        shard.outbox.take()
    assert all(len(types) == 1 for types in compiled_for().values())
    assert json.loads(warmed.stdout.splitlines()[-1]) == compiled_for()
