"""The C library inside ``confluent_kafka``, called directly: one call for thousands of messages.

The Python client makes an object for each message, which costs more than decoding it. The functions here
are found through the client's own extension module, so it is always the very library that the client
uses. Names are librdkafka's without ``rd_kafka_``; every handle is an address (int), 0 = none.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from ctypes import POINTER, c_char_p, c_int, c_int32, c_int64, c_size_t, c_ssize_t, c_void_p
from typing import Any, Final

from confluent_kafka import cimpl

from operators.kafka_errors import ClientSettingError

CONSUMER: Final = 1
EVENT_LOG, EVENT_ERROR, EVENT_STATS = 0x4, 0x8, 0x40
WITHOUT_GROUP: Final = 0x8
"""Flag of ``destroy_flags``: there is no group to leave."""
_ERROR_BYTES: Final = 512
_OFFSETS = POINTER(c_int64)

_PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "conf_new": (c_void_p, []),
    "conf_destroy": (None, [c_void_p]),
    "conf_set": (c_int, [c_void_p, c_char_p, c_char_p, c_char_p, c_size_t]),
    "conf_set_events": (None, [c_void_p, c_int]),
    "new": (c_void_p, [c_int, c_void_p, c_char_p, c_size_t]),
    "destroy_flags": (None, [c_void_p, c_int]),
    "set_log_queue": (c_int, [c_void_p, c_void_p]),
    "queue_get_main": (c_void_p, [c_void_p]),
    "queue_destroy": (None, [c_void_p]),
    "queue_poll": (c_void_p, [c_void_p, c_int]),
    "event_type": (c_int, [c_void_p]),
    "event_error": (c_int, [c_void_p]),
    "event_error_string": (c_char_p, [c_void_p]),
    "event_stats": (c_char_p, [c_void_p]),
    "event_log": (c_int, [c_void_p, POINTER(c_char_p), POINTER(c_char_p), POINTER(c_int)]),
    "event_destroy": (None, [c_void_p]),
    "topic_new": (c_void_p, [c_void_p, c_char_p, c_void_p]),
    "topic_destroy": (None, [c_void_p]),
    "metadata": (c_int, [c_void_p, c_int, c_void_p, POINTER(c_void_p), c_int]),
    "metadata_destroy": (None, [c_void_p]),
    "consume_start": (c_int, [c_void_p, c_int32, c_int64]),
    "consume_stop": (c_int, [c_void_p, c_int32]),
    "consume_batch": (c_ssize_t, [c_void_p, c_int32, c_int, c_void_p, c_size_t]),
    "get_watermark_offsets": (c_int, [c_void_p, c_char_p, c_int32, _OFFSETS, _OFFSETS]),
    "query_watermark_offsets": (c_int, [c_void_p, c_char_p, c_int32, _OFFSETS, _OFFSETS, c_int]),
    "last_error": (c_int, []),
    "err2str": (c_char_p, [c_int]),
    "message_timestamp": (c_int64, [c_void_p, c_void_p]),
    "message_destroy": (None, [c_void_p]),
}


class Librdkafka:
    """The functions of the library. Raises ``OSError`` or ``AttributeError`` where they cannot be found."""

    def __init__(self) -> None:
        library = ctypes.CDLL(cimpl.__file__)
        self._functions: dict[str, Any] = {}
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(library, f"rd_kafka_{name}")
            function.restype = result
            function.argtypes = arguments
            self._functions[name] = function

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - C functions, typed above
        try:
            return self._functions[name]
        except KeyError:
            raise AttributeError(name) from None

    def address(self, name: str) -> int:
        """Where a function is, for compiled code that calls it."""
        return int(ctypes.cast(self._functions[name], c_void_p).value or 0)

    def error_text(self, code: int) -> str:
        """What librdkafka calls an error."""
        text: bytes = self.err2str(code)
        return text.decode()

    def open_consumer(self, settings: Mapping[str, Any]) -> int:
        """A consumer that belongs to no group. Raises ``ClientSettingError`` where a setting is wrong."""
        said = ctypes.create_string_buffer(_ERROR_BYTES)
        configuration = self.conf_new()
        self.conf_set_events(configuration, EVENT_LOG | EVENT_ERROR | EVENT_STATS)
        for name, value in {**settings, "log.queue": True}.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            if self.conf_set(configuration, name.encode(), text.encode(), said, len(said)) != 0:
                self.conf_destroy(configuration)
                raise ClientSettingError(said.value.decode())
        handle = self.new(CONSUMER, configuration, said, len(said))
        if not handle:
            self.conf_destroy(configuration)
            raise ClientSettingError(said.value.decode())
        self.set_log_queue(handle, None)
        return int(handle)

    def learn_leaders(self, handle: int, topic_handle: int, timeout_seconds: float) -> None:
        """Have a client ask who leads the topic's partitions; a broker that does not answer is no error."""
        answer = c_void_p()
        if self.metadata(handle, 0, topic_handle, answer, int(timeout_seconds * 1000)) == 0:
            self.metadata_destroy(answer)
