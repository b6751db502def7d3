"""Compiled walk over the messages that librdkafka hands out: C structs to columns and one buffer.

Offsets are those of ``rd_kafka_message_t`` on 64-bit machines, part of librdkafka's stable interface.
C functions are called by addresses that are passed in, so the compiled code can be kept on disk.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from operators.batches import I64, U8

LAYOUT_IS_KNOWN: Final = struct.calcsize("P") == 8
_ERROR, _PAYLOAD, _LENGTH, _OFFSET = 0, 24, 32, 56

F = TypeVar("F", bound=Callable[..., Any])


def _compiled(function: F) -> F:
    result: F = nb.njit(cache=True, boundscheck=False, nogil=True, _nrt=False)(function)
    return result


@intrinsic  # type: ignore[untyped-decorator]
def _load_i64(typing_context: Any, address: Any) -> Any:  # noqa: ANN401 - numba's types
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        return builder.load(builder.inttoptr(args[0], ir.IntType(64).as_pointer()))

    return types.int64(types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _load_i32(typing_context: Any, address: Any) -> Any:  # noqa: ANN401
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        narrow = builder.load(builder.inttoptr(args[0], ir.IntType(32).as_pointer()))
        return builder.sext(narrow, ir.IntType(64))

    return types.int64(types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _copy(typing_context: Any, target: Any, source: Any, size: Any) -> Any:  # noqa: ANN401
    """``memcpy`` between two addresses."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        pointer = ir.IntType(8).as_pointer()
        cgutils.raw_memcpy(
            builder, builder.inttoptr(args[0], pointer), builder.inttoptr(args[1], pointer), args[2], 1
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _call(typing_context: Any, function: Any, argument: Any) -> Any:  # noqa: ANN401
    """``void function(pointer)``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        signature = ir.FunctionType(ir.VoidType(), [ir.IntType(64)])
        builder.call(builder.inttoptr(args[0], signature.as_pointer()), [args[1]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def _call_i64(typing_context: Any, function: Any, first: Any, second: Any) -> Any:  # noqa: ANN401
    """``int64 function(pointer, pointer)``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        i64 = ir.IntType(64)
        signature = ir.FunctionType(i64, [i64, i64])
        return builder.call(builder.inttoptr(args[0], signature.as_pointer()), [args[1], args[2]])

    return types.int64(types.int64, types.int64, types.int64), codegen


class MessageColumns(NamedTuple):
    """Room for ``n`` messages, and for the events that came in the place of messages."""

    addresses: I64  # n, of rd_kafka_message_t
    payloads: I64  # n, address of the value
    starts: I64  # n, in the joined data
    lengths: I64  # n, -1 without a value
    offsets: I64  # n
    timestamps_ms: I64  # n, -1 without one
    event_codes: I64  # n
    event_offsets: I64  # n
    event_places: I64  # n, number of messages before the event

    @staticmethod
    def empty(messages: int) -> MessageColumns:
        """Room for so many messages."""
        return MessageColumns(*(np.empty(messages, np.int64) for _ in MessageColumns._fields))


@_compiled
def read_messages(columns: MessageColumns, count: int, timestamp_function: int) -> tuple[int, int, int]:
    """Fill the columns from ``count`` addresses: number of messages, of events, bytes of joined values."""
    messages = 0
    events = 0
    position = 0
    for i in range(count):
        address = columns.addresses[i]
        error = _load_i32(address + _ERROR)
        if error != 0:
            columns.event_codes[events] = error
            columns.event_offsets[events] = _load_i64(address + _OFFSET)
            columns.event_places[events] = messages
            events += 1
            continue
        payload = _load_i64(address + _PAYLOAD)
        length = _load_i64(address + _LENGTH)
        columns.payloads[messages] = payload
        columns.starts[messages] = position
        columns.lengths[messages] = length if payload != 0 else -1
        columns.offsets[messages] = _load_i64(address + _OFFSET)
        columns.timestamps_ms[messages] = _call_i64(timestamp_function, address, 0)
        position += (length if payload != 0 else 0) + 1
        messages += 1
    return messages, events, position


@_compiled
def take_messages(
    columns: MessageColumns, count: int, messages: int, data: U8, data_address: int, destroy_function: int
) -> None:
    """Copy the values into ``data`` (at ``data_address``), a newline behind each, and free the messages."""
    for i in range(messages):
        length = columns.lengths[i]
        start = columns.starts[i]
        if length > 0:
            _copy(data_address + start, columns.payloads[i], length)
            start += length
        data[start] = 10
    for i in range(count):
        _call(destroy_function, columns.addresses[i])
