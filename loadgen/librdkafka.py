"""The calls of librdkafka that its Python client does not offer for many messages at once.

``confluent_kafka`` makes a Python object a message, and its batch call takes no timestamps. Here compiled
code hands whole columns of messages to the library that the client brings with it.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any, Final, Protocol

import confluent_kafka
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from loadgen.draws import I64, U8, compiled
from loadgen.latency import latency_bucket

CONF_OK: Final = 0
PRODUCER: Final = 0
EVENT_DELIVERY: Final = 0x1
EVENT_ERROR: Final = 0x8
EVENT_STATISTICS: Final = 0x40
QUEUE_FULL: Final = -184
_V_TOPIC, _V_PARTITION, _V_VALUE, _V_KEY, _V_OPAQUE, _V_FLAGS, _V_TIMESTAMP, _V_HEADERS = (
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    10,
)
_COPY_VALUE: Final = 2
ARGUMENTS: Final = (_V_TOPIC, _V_PARTITION, _V_VALUE, _V_KEY, _V_TIMESTAMP, _V_OPAQUE, _V_FLAGS, _V_HEADERS)
_ARGUMENT_WORDS: Final = 9  # rd_kafka_vu_t: the kind, then a union of 64 bytes
_MESSAGE_WORDS: Final = 9
"""rd_kafka_message_t on 64 bits: err, topic, partition, payload, length, key, its length, offset, opaque."""


class Library(Protocol):
    """The functions used, as ctypes offers them."""

    def __getattr__(self, name: str) -> Any: ...  # noqa: ANN401 - every function of a C library


_SIGNATURES: Final[dict[str, tuple[Any, list[Any]]]] = {
    "rd_kafka_conf_new": (ctypes.c_void_p, []),
    "rd_kafka_conf_set": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "rd_kafka_conf_set_events": (None, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_new": (ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
    "rd_kafka_topic_new": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]),
    "rd_kafka_topic_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_queue_get_main": (ctypes.c_void_p, [ctypes.c_void_p]),
    "rd_kafka_queue_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_queue_poll": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_event_type": (ctypes.c_int, [ctypes.c_void_p]),
    "rd_kafka_event_message_array": (
        ctypes.c_size_t,
        [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t],
    ),
    "rd_kafka_event_message_count": (ctypes.c_size_t, [ctypes.c_void_p]),
    "rd_kafka_event_error_string": (ctypes.c_char_p, [ctypes.c_void_p]),
    "rd_kafka_event_stats": (ctypes.c_char_p, [ctypes.c_void_p]),
    "rd_kafka_event_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_error_code": (ctypes.c_int, [ctypes.c_void_p]),
    "rd_kafka_error_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_err2str": (ctypes.c_char_p, [ctypes.c_int]),
    "rd_kafka_headers_new": (ctypes.c_void_p, [ctypes.c_size_t]),
    "rd_kafka_header_add": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_ssize_t, ctypes.c_char_p, ctypes.c_ssize_t],
    ),
    "rd_kafka_headers_destroy": (None, [ctypes.c_void_p]),
    "rd_kafka_outq_len": (ctypes.c_int, [ctypes.c_void_p]),
    "rd_kafka_purge": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_flush": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_destroy": (None, [ctypes.c_void_p]),
}


def open_library() -> Library:
    """The librdkafka that ``confluent_kafka`` has loaded already, with typed functions."""
    package = Path(confluent_kafka.__file__).parent
    places = (package.with_name("confluent_kafka.libs"), package / ".dylibs")
    found = [path for place in places for path in sorted(place.glob("librdkafka*"))]
    library = ctypes.CDLL(str(found[0]) if found else "librdkafka.so.1")
    for name, (result, arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def address(library: Library, name: str) -> int:
    """Where a function of the library stands in memory."""
    return int(ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0)


def argument_block() -> I64:
    """Space for the arguments of one ``rd_kafka_produceva``: their kinds are set, their values not."""
    block = np.zeros((len(ARGUMENTS), _ARGUMENT_WORDS), np.int64)
    block[:, 0] = ARGUMENTS
    block[-2, 1] = _COPY_VALUE
    return block


@intrinsic  # type: ignore[untyped-decorator]
def _call_produceva(typing_context: Any, function: Any, client: Any, block: Any, count: Any) -> Any:  # noqa: ANN401
    """Call a C function by its address: ``void *f(void *, void *, size_t)``."""
    signature = types.intp(types.intp, types.intp, types.intp, types.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word, word, word])
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return signature, codegen


@intrinsic  # type: ignore[untyped-decorator]
def _word_at(typing_context: Any, place: Any) -> Any:  # noqa: ANN401
    """The 64-bit word at an address."""
    signature = types.int64(types.intp)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        return builder.load(builder.inttoptr(args[0], ir.IntType(64).as_pointer()))

    return signature, codegen


@compiled
def hand_over(
    produceva: int, client: int, topic: int, partition: int, data: U8, starts: I64, lengths: I64,
    key_starts: I64, key_lengths: I64, timestamps_ms: I64, due_us: I64, lane_bits: int, headers: I64,
    first: int, last: int, block: I64,
) -> tuple[int, int]:  # fmt: skip
    """Queue messages ``first`` to ``last`` (exclusive): how many were taken, and the error that stopped it.

    The error is the address of an ``rd_kafka_error_t``, 0 for none. ``headers``: the address of each
    message's ``rd_kafka_headers_t`` (0: none), which becomes the library's; (0,): no message has any.
    Each message's opaque is ``lane_bits`` and when it is due.
    """
    place, base = block.ctypes.data, data.ctypes.data
    block[0, 1] = topic
    block[1, 1] = partition
    for index in range(first, last):
        block[2, 1] = base + starts[index]
        block[2, 2] = lengths[index]
        block[3, 1] = base + key_starts[index] if key_lengths[index] > 0 else 0
        block[3, 2] = key_lengths[index]
        block[4, 1] = timestamps_ms[index]
        block[5, 1] = lane_bits + due_us[index]
        count = len(block) - 1
        if len(headers) > 0 and headers[index] != 0:
            block[count, 1] = headers[index]
            count += 1
        error = _call_produceva(produceva, client, place, count)
        if error != 0:
            return index - first, error
    return last - first, 0


@compiled
def read_reports(
    pointers: I64, count: int, now_us: int, lane_shift: int, delivered: I64, ends: I64, histogram: I64
) -> tuple[int, int]:
    """Note what was delivered: (failed, last error code). ``delivered`` and ``ends``: lanes x partitions."""
    failed = 0
    last_code = 0
    for index in range(count):
        message = pointers[index]
        code = _word_at(message) & 0xFFFFFFFF
        opaque = _word_at(message + 64)
        if code != 0:
            failed += 1
            last_code = code - (1 << 32) if code >= 1 << 31 else code
            continue
        lane = opaque >> lane_shift
        partition = _word_at(message + 16) & 0xFFFFFFFF
        delivered[lane, partition] += 1
        ends[lane, partition] = max(ends[lane, partition], _word_at(message + 56) + 1)
        waited = max(0, now_us - (opaque & ((1 << lane_shift) - 1)))
        histogram[latency_bucket(waited)] += 1
    return failed, last_code
