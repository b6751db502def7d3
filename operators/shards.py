"""Shards: groups of merchants whose state lives together, and the keys that spread them evenly.

Bytewax routes a key to worker ``SipHash-1-3(key) mod workers``. A handful of arbitrary names splits
badly (``"0".."15"`` over two workers: 6 and 10), so every shard's key carries a suffix, chosen once by
``find_key``, that makes its hash leave the shard's own number when divided by the number of shards: any
number of workers that divides it gets exactly the same number of shards.
"""

from __future__ import annotations

from typing import Final

SHARDS: Final = 8
"""Divided evenly by 1, 2, 4 and 8 workers; more than 8 find no shard. Part of the state's layout.

Every batch of a partition visits every shard, which costs the same few hundred microseconds however little it
brings: with 24 shards, 100,000 orders a second took 1.3 cores, with 8 they take 0.95.
"""

BOARD_KEY: Final = "board"
"""The one key that merges what concerns all shards."""
ROLLUPS_KEY: Final = "rollups"
"""The one key that keeps the roll-ups; of two workers it is not on the board's."""

_MASK = (1 << 64) - 1


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (64 - bits))) & _MASK


def _round(v: list[int]) -> None:
    v[0] = (v[0] + v[1]) & _MASK
    v[1] = _rotate(v[1], 13) ^ v[0]
    v[0] = _rotate(v[0], 32)
    v[2] = (v[2] + v[3]) & _MASK
    v[3] = _rotate(v[3], 16) ^ v[2]
    v[0] = (v[0] + v[3]) & _MASK
    v[3] = _rotate(v[3], 21) ^ v[0]
    v[2] = (v[2] + v[1]) & _MASK
    v[1] = _rotate(v[1], 17) ^ v[2]
    v[2] = _rotate(v[2], 32)


def route_hash(key: str) -> int:
    """The hash by which Bytewax 0.21 routes a key: Rust's ``DefaultHasher`` over a ``str``.

    That is SipHash-1-3 with a zero key (Aumasson and Bernstein, 2012) over the UTF-8 bytes and 0xFF.
    """
    data = key.encode() + b"\xff"
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]
    whole = len(data) // 8 * 8
    words = [int.from_bytes(data[i : i + 8], "little") for i in range(0, whole, 8)]
    words.append(int.from_bytes(data[whole:], "little") | (len(data) & 0xFF) << 56)
    for word in words:
        v[3] ^= word
        _round(v)
        v[0] ^= word
    v[2] ^= 0xFF
    for _ in range(3):
        _round(v)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def find_key(shard: int, shards: int = SHARDS) -> str:
    """The first name ``shard-NN-k`` whose route hash leaves ``shard`` when divided by ``shards``."""
    suffix = 0
    while True:
        key = f"shard-{shard:02d}-{suffix}"
        if route_hash(key) % shards == shard:
            return key
        suffix += 1


SHARD_KEYS: Final = tuple(find_key(shard) for shard in range(SHARDS))
"""The key of every shard, by its number."""
