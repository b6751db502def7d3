"""Every setting of Warroom: its name, type, default and bounds.

A field's ``description`` says what a right value is; it ends the sentence that a wrong one is answered
with. Reading settings from files, the environment and flags is ``warroom.config``'s.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

from schemas.redis_layout import DEFAULT_PREFIX
from schemas.windows import DEFAULT_TIMEZONE, FINEST_BUCKET_MS, LATENESS_MS, SECOND_MS

MEBIBYTE: Final = 1024 * 1024
MOST_WORKERS: Final = 64


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("no such time zone") from error
    return name


def _sale_start(opens: datetime) -> datetime:
    if opens.tzinfo is None:
        raise ValueError("it has no offset from UTC")
    if milliseconds(opens) % FINEST_BUCKET_MS:
        raise ValueError("it lies between two buckets")
    return opens


def _rfc_3339_text(value: object) -> object:
    # pydantic would also take a bare number, also as text, as Unix time.
    if isinstance(value, int | float) or (isinstance(value, str) and "T" not in value.upper()):
        raise ValueError("a number is no time")
    return value


def _redis_url(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("not a Redis URL")
    return url


def _separated_by_commas(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _text_values(value: object) -> object:
    """``librdkafka`` takes every setting as text; TOML may hold numbers and booleans."""
    if not isinstance(value, dict):
        return value
    return {k: str(v).lower() if isinstance(v, bool) else _number_as_text(v) for k, v in value.items()}


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float) else value


def milliseconds(moment: datetime) -> int:
    """Milliseconds since the epoch, exactly."""
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    elapsed = moment - epoch
    return (elapsed.days * 86_400 + elapsed.seconds) * SECOND_MS + elapsed.microseconds // 1_000


Port = Annotated[int, Field(ge=1, le=65_535)]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
TopicNameOrNone = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,249}$")]
_TOPIC: Final = "a topic name of letters, digits, dot, underscore and hyphen"


class Section(BaseModel):
    """A table of the configuration file: nothing unknown, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Section):
    """Where events come from."""

    brokers: str = Field(
        default="127.0.0.1:9092", min_length=1, description="host:port, several separated by commas"
    )
    orders: TopicName = Field(default="orders", description=_TOPIC)
    clicks: TopicNameOrNone = Field(
        default="clicks", description=f"{_TOPIC}, or an empty text: there is no click stream"
    )
    stock: TopicNameOrNone = Field(
        default="", description=f"{_TOPIC}, or an empty text: no topic tells what is left of items"
    )
    baselines: TopicName = Field(default="baselines", description=_TOPIC)
    dead_letters: TopicName = Field(default="dead-letters", description=_TOPIC)
    group: str = Field(
        default="warroom", min_length=1, description="the group under which offsets are committed"
    )
    on_lost_offsets: Literal["error", "earliest"] = Field(
        default="error", description="error or earliest: what to do where a stored offset is gone from Kafka"
    )
    client: Annotated[dict[str, str], BeforeValidator(_text_values)] = Field(
        default_factory=dict, description="settings of librdkafka, such as security.protocol"
    )


class RedisSettings(Section):
    """Where results go."""

    url: Annotated[str, AfterValidator(_redis_url)] = Field(
        default="redis://127.0.0.1:6379/0",
        description="redis://[user:password@]host:port/db, rediss:// or unix://",
    )
    prefix: str = Field(default=DEFAULT_PREFIX, min_length=1, description="text that every key starts with")
    publish_interval_ms: int = Field(
        default=200, ge=50, le=60_000, description="whole milliseconds from 50 to 60000"
    )


class MetricsSettings(Section):
    """Where Prometheus finds its numbers: worker i answers on port + i."""

    host: str = Field(default="127.0.0.1", min_length=1, description="an address of this machine")
    port: Port = Field(default=9464, description="a port from 1 to 65535")
    top_n: int = Field(default=20, ge=1, le=100, description="merchants from 1 to 100")


class SaleSettings(Section):
    """The sale whose night it is."""

    opens: Annotated[datetime, BeforeValidator(_rfc_3339_text), AfterValidator(_sale_start)] | None = Field(
        default=None,
        description="a time with its offset on a whole 5 seconds, such as 2019-12-12T00:00:00+08:00",
    )


class EngineSettings(Section):
    """How events are counted."""

    workers: int = Field(default=1, ge=1, le=MOST_WORKERS, description=f"processes from 1 to {MOST_WORKERS}")
    epoch_interval_seconds: float = Field(default=2.0, ge=0.1, le=300, description="seconds from 0.1 to 300")
    lateness_ms: int = Field(
        default=LATENESS_MS, ge=0, le=3_600_000, description="whole milliseconds from 0 to 3600000"
    )
    idle_seconds: float = Field(default=30.0, gt=0, le=86_400, description="seconds above 0, at most 86400")
    align_ahead_seconds: float = Field(
        default=3600.0, ge=10, le=86_400, description="seconds from 10 to 86400"
    )
    batch_messages: int = Field(default=200_000, ge=1, le=1_000_000, description="messages from 1 to 1000000")
    epoch_credit_mib: int = Field(default=256, ge=1, le=65_536, description="mebibytes from 1 to 65536")
    dedup_horizon_seconds: float = Field(
        default=600.0, ge=0, le=86_400, description="seconds from 0 to 86400"
    )
    dedup_memory_mib: int = Field(default=1024, ge=1, le=1_048_576, description="mebibytes from 1 to 1048576")
    low_stock_minutes: float = Field(default=30.0, ge=0, le=10_080, description="minutes from 0 to 10080")
    joins_memory_mib: int = Field(default=1024, ge=1, le=1_048_576, description="mebibytes from 1 to 1048576")
    people_memory_mib: int = Field(
        default=2048, ge=16, le=1_048_576, description="mebibytes from 16 to 1048576"
    )
    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        default=DEFAULT_TIMEZONE, description="a time zone of the IANA database, such as Asia/Shanghai"
    )
    leaderboard_size: int = Field(default=50, ge=1, le=1_000, description="merchants from 1 to 1000")
    leaderboard_min_orders: int = Field(default=10, ge=0, description="orders from 0 up")
    leaderboard_min_new_members: int = Field(default=10, ge=0, description="new members from 0 up")
    leaderboard_min_visitors: int = Field(default=100, ge=0, description="visitors from 0 up")
    leaderboard_min_views: int = Field(default=100, ge=0, description="views with a source from 0 up")
    milestone_min_orders: int = Field(default=10, ge=0, description="orders from 0 up")
    series_watch: Annotated[tuple[str, ...], BeforeValidator(_separated_by_commas)] = Field(
        default=(), description="merchant ids: a list of texts"
    )
    series_merchants: int = Field(default=240, ge=0, le=100_000, description="merchants from 0 to 100000")


class StateSettings(Section):
    """What survives the processes. A relative directory in a file is relative to that file."""

    enabled: bool = Field(default=True, description="true or false")
    directory: Path = Field(default=Path("state"), description="a directory")
    partitions: int = Field(
        default=8, ge=1, le=256, description="partitions from 1 to 256, fixed when the directory is made"
    )


class SupervisorSettings(Section):
    """How worker processes are watched."""

    hung_after_seconds: float = Field(
        default=30.0, ge=2, le=3_600, description="seconds from 2 to 3600 without a sign of life"
    )
    backoff_seconds: float = Field(default=0.25, gt=0, le=60, description="seconds above 0, at most 60")
    backoff_most_seconds: float = Field(default=3.0, gt=0, le=600, description="seconds above 0, at most 600")
    steady_after_seconds: float = Field(
        default=30.0, gt=0, le=86_400, description="seconds above 0 after which a failure is the first again"
    )
    failures_in_a_row: int = Field(default=10, ge=1, le=10_000, description="failures from 1 to 10000")
    standby: bool = Field(default=True, description="true or false")
    drain_seconds: float = Field(default=10.0, gt=0, le=600, description="seconds above 0, at most 600")


class WebSettings(Section):
    """The wall page and its JSON API: `warroom web`."""

    host: str = Field(default="127.0.0.1", min_length=1, description="an address of this machine")
    port: Port = Field(default=8600, description="a port from 1 to 65535")
    hosts: Annotated[tuple[str, ...], BeforeValidator(_separated_by_commas)] = Field(
        default=(), description="names that browsers call this server by: a list of texts"
    )
    token: Annotated[str, Field(min_length=16, max_length=256, pattern=r"^[!-~]+$")] | None = Field(
        default=None, description="a secret of 16 to 256 visible ASCII characters"
    )
    refresh_ms: int = Field(
        default=500, ge=100, le=60_000, description="whole milliseconds from 100 to 60000"
    )


class Settings(Section):
    """All sections, each with its defaults."""

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    metrics: MetricsSettings = MetricsSettings()
    sale: SaleSettings = SaleSettings()
    engine: EngineSettings = EngineSettings()
    state: StateSettings = StateSettings()
    supervisor: SupervisorSettings = SupervisorSettings()
    web: WebSettings = WebSettings()

    def flat(self) -> dict[str, Any]:
        """``section.key`` (``kafka.client.key`` too) to its value, in the order of this file."""
        pairs: dict[str, Any] = {}
        for name in type(self).model_fields:
            section: Section = getattr(self, name)
            for key in type(section).model_fields:
                value = getattr(section, key)
                if isinstance(value, dict):
                    pairs.update({f"{name}.{key}.{k}": v for k, v in value.items()})
                else:
                    pairs[f"{name}.{key}"] = value
        return pairs


def fields_of(section: str) -> dict[str, FieldInfo]:
    """The fields of a section by name; none for a name that is no section."""
    field = Settings.model_fields.get(section)
    kind = field.annotation if field else None
    return dict(kind.model_fields) if isinstance(kind, type) and issubclass(kind, Section) else {}


def wanted(path: str) -> str:
    """What a right value of ``section.key`` is, in words; empty for a name that is no setting."""
    section, _, key = path.partition(".")
    field = fields_of(section).get("client" if key.startswith("client.") else key)
    return (field.description or "") if field else ""
