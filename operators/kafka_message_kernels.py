"""Compiled walk over the messages that librdkafka hands out: C structs to columns and one buffer.

Offsets are those of ``rd_kafka_message_t`` on 64-bit machines, part of librdkafka's stable interface.
C functions are called by addresses that are passed in, so the compiled code can be kept on disk.

Messages are taken some at a time: librdkafka keeps 400 bytes and more of each, which are looked at when it
leaves the queue, when it is read and when it is freed. Of a whole batch they would have left the caches
between.
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

from operators.batches import I64, READ_AHEAD_BYTES, U8

LAYOUT_IS_KNOWN: Final = struct.calcsize("P") == 8
_ERROR, _PAYLOAD, _LENGTH, _OFFSET = 0, 24, 32, 56
AT_ONCE: Final = 2_000
"""Messages that leave the queue together."""

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


@intrinsic  # type: ignore[untyped-decorator]
def _call_consume(
    typing_context: Any,  # noqa: ANN401
    function: Any,  # noqa: ANN401
    topic: Any,  # noqa: ANN401
    partition: Any,  # noqa: ANN401
    place: Any,  # noqa: ANN401
    most: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    """``ssize_t function(pointer, int32 partition, int timeout_ms = 0, pointer, size_t)``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:  # noqa: ANN401
        i32, i64 = ir.IntType(32), ir.IntType(64)
        signature = ir.FunctionType(i64, [i64, i32, i32, i64, i64])
        consume = builder.inttoptr(args[0], signature.as_pointer())
        return builder.call(consume, [args[1], builder.trunc(args[2], i32), i32(0), args[3], args[4]])

    return types.int64(*[types.int64] * 5), codegen


class Queue(NamedTuple):
    """A partition's queue in librdkafka. All but ``partition`` are addresses, three of them functions'."""

    topic: int
    partition: int
    consume_batch: int
    message_timestamp: int
    message_destroy: int


class MessageColumns(NamedTuple):
    """Room for ``n`` messages, and for the events that came in the place of messages."""

    addresses: I64  # AT_ONCE, of rd_kafka_message_t
    payloads: I64  # AT_ONCE, address of the value
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
        sizes = [AT_ONCE] * 2 + [messages] * (len(MessageColumns._fields) - 2)
        return MessageColumns(*(np.empty(size, np.int64) for size in sizes))


class Taken(NamedTuple):
    """How far a batch has been taken."""

    messages: int
    events: int
    size: int
    """Bytes of joined values."""
    held: int
    """Messages and events that have left the queue and wait in ``addresses``."""
    needed: int
    """Bytes of joined values that there must be room for before it can go on; 0: the batch is complete."""


NOTHING: Final = Taken(0, 0, 0, 0, 0)


@_compiled
def take_messages(queue: Queue, most: int, columns: MessageColumns, data: U8, taken: Taken) -> Taken:
    """Take up to ``most`` messages and events, or go on where ``taken`` says that it ended for want of room.

    Values lie in ``data`` one after the other, a newline behind each, with room for ``READ_AHEAD_BYTES``
    behind the last.
    """
    messages, events, size, held = taken.messages, taken.events, taken.size, taken.held
    while True:
        if held == 0:
            asked = min(len(columns.addresses), most - messages - events)
            if asked > 0:
                place = columns.addresses.ctypes.data
                held = _call_consume(queue.consume_batch, queue.topic, queue.partition, place, asked)
            if held <= 0:
                return Taken(messages, events, size, 0, 0)
        read, told, filled = _read(columns, held, messages, events, size, queue.message_timestamp)
        if filled + READ_AHEAD_BYTES > len(data):
            return Taken(messages, events, size, held, filled)
        _copy_values(columns, messages, read, data)
        for index in range(held):
            _call(queue.message_destroy, columns.addresses[index])
        messages, events, size, held = read, told, filled, 0


@_compiled
def _read(
    columns: MessageColumns, held: int, messages: int, events: int, size: int, timestamp_function: int
) -> tuple[int, int, int]:
    """Fill the columns from what is held: messages, events and bytes that they are with it."""
    first = messages
    for index in range(held):
        address = columns.addresses[index]
        error = _load_i32(address + _ERROR)
        if error != 0:
            columns.event_codes[events] = error
            columns.event_offsets[events] = _load_i64(address + _OFFSET)
            columns.event_places[events] = messages
            events += 1
            continue
        payload = _load_i64(address + _PAYLOAD)
        length = _load_i64(address + _LENGTH)
        columns.payloads[messages - first] = payload
        columns.starts[messages] = size
        columns.lengths[messages] = length if payload != 0 else -1
        columns.offsets[messages] = _load_i64(address + _OFFSET)
        columns.timestamps_ms[messages] = _call_i64(timestamp_function, address, 0)
        size += (length if payload != 0 else 0) + 1
        messages += 1
    return messages, events, size


@_compiled
def _copy_values(columns: MessageColumns, first: int, last: int, data: U8) -> None:
    """Copy the values of messages ``first`` to ``last`` (exclusive), a newline behind each."""
    data_address = data.ctypes.data
    for index in range(first, last):
        length = columns.lengths[index]
        start = columns.starts[index]
        if length > 0:
            _copy(data_address + start, columns.payloads[index - first], length)
            start += length
        data[start] = 10
