"""The configuration in force: a TOML file, then the environment, then flags; later ones win.

Every value remembers where it came from, so that a wrong one is answered with its own place.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from warroom.errors import ConfigurationError
from warroom.settings import Settings, fields_of, wanted

DEFAULT_FILE: Final = Path("warroom.toml")
ENVIRONMENT_PREFIX: Final = "WARROOM_"
DEFAULT: Final = "default"
HIDDEN: Final = "********"

_SECRET: Final = re.compile(r"password|secret|token|jaas|oauthbearer\.config|key\.pem$", re.IGNORECASE)
_PASSTHROUGH: Final = "kafka.client."


@dataclass(frozen=True, slots=True)
class Given:
    """One value that somebody gave: ``path`` is ``section.key``, ``origin`` where it was given."""

    path: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """Settings in force, and for each ``section.key`` that is not a default where it comes from."""

    settings: Settings
    origins: Mapping[str, str]

    def origin(self, path: str) -> str:
        """``default``, a file's name, an environment variable or a flag."""
        return self.origins.get(path, DEFAULT)


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Sequence[Given] = (),
) -> Configuration:
    """Read all layers. Raises ``ConfigurationError``, one line that names place, key, value and cure.

    ``file`` None reads ``warroom.toml`` of the working directory if there is one.
    """
    given = [*_from_file(file), *_from_environment(environment or {}), *flags]
    by_path = {g.path: g for g in given}
    for one in by_path.values():
        _refuse_unknown(one)
    try:
        settings = Settings.model_validate(_nested(by_path.values()))
    except ValidationError as error:
        raise _explained(error, by_path) from None
    _refuse_impossible_pairs(settings, by_path)
    return Configuration(settings, {g.path: g.origin for g in by_path.values()})


def is_secret(path: str) -> bool:
    """Whether a value must not be shown."""
    return bool(_SECRET.search(path))


def shown(path: str, value: object) -> str:
    """A value as it may be printed: no password, neither as a setting nor inside a URL."""
    if is_secret(path):
        return HIDDEN
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return text.lower()
    return without_password(text) if "://" in text else text


def without_password(url: str) -> str:
    """A URL with its password replaced."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return re.sub(r"//.*@", f"//{HIDDEN}@", url)
    return url.replace(f":{password}@", f":{HIDDEN}@") if password else url


def _from_file(file: Path | None) -> Iterator[Given]:
    path = file or DEFAULT_FILE
    if file is None and not path.exists():
        return
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    for section, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigurationError(f"{path}: {section} = {table!r} stands outside of a [section]")
        yield from _from_table(path, section, table)


def _from_table(file: Path, section: str, table: Mapping[str, Any]) -> Iterator[Given]:
    if not table and not fields_of(section):
        raise ConfigurationError(f"{file}: [{section}] is no section; {_close_to(section, _sections())}")
    for key, value in table.items():
        if (section, key) == ("kafka", "client") and isinstance(value, dict):
            for name, text in _dotted(value):
                yield Given(_PASSTHROUGH + name, text, str(file))
        elif (section, key) == ("state", "directory") and isinstance(value, str):
            yield Given("state.directory", str(file.parent / value), str(file))
        else:
            yield Given(f"{section}.{key}", value, str(file))


def _dotted(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """``sasl.password = "x"`` in TOML is a table in a table; librdkafka wants the dotted name."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _dotted(value, f"{before}{key}.")
        else:
            yield before + key, value


def _from_environment(environment: Mapping[str, str]) -> Iterator[Given]:
    """``WARROOM_KAFKA__BROKERS``; ``WARROOM_KAFKA__CLIENT__SASL_PASSWORD`` is ``sasl.password``."""
    for name in sorted(environment):
        if not name.startswith(ENVIRONMENT_PREFIX) or "__" not in name:
            continue
        section, _, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
        if section == "kafka" and key.startswith("client__"):
            key = "client." + key.removeprefix("client__").replace("_", ".")
        yield Given(f"{section}.{key}", environment[name], name)


def _refuse_unknown(given: Given) -> None:
    section, _, key = given.path.partition(".")
    fields = fields_of(section)
    if given.path.startswith(_PASSTHROUGH) or (key in fields and given.path != "kafka.client"):
        return
    known = [f"{section}.{f}" for f in fields] or [f"{s}.{key}" for s in _sections() if key in fields_of(s)]
    raise ConfigurationError(
        f"{given.origin}: {given.path} = {shown(given.path, given.value)!r}: "
        f"there is no such setting; {_close_to(given.path, known)}"
    )


def _sections() -> list[str]:
    return list(Settings.model_fields)


def _close_to(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(known)}" if known else f"sections are {', '.join(_sections())}"


def _nested(given: Iterator[Given] | Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401
    tables: dict[str, dict[str, Any]] = {}
    for one in given:
        section, _, key = one.path.partition(".")
        table = tables.setdefault(section, {})
        if one.path.startswith(_PASSTHROUGH):
            table.setdefault("client", {})[one.path.removeprefix(_PASSTHROUGH)] = one.value
        else:
            table[key] = one.value
    return tables


def _explained(error: ValidationError, by_path: Mapping[str, Given]) -> ConfigurationError:
    location = [str(part) for part in error.errors()[0]["loc"]]
    # A list's item or a union's branch adds parts behind section and key.
    path = next((".".join(location[:n]) for n in (3, 2) if ".".join(location[:n]) in by_path), None)
    given = by_path[path] if path else Given(".".join(location), error.errors()[0]["input"], DEFAULT)
    return ConfigurationError(
        f"{given.origin}: {given.path} = {shown(given.path, given.value)!r}: must be {wanted(given.path)}"
    )


def _refuse_impossible_pairs(settings: Settings, by_path: Mapping[str, Given]) -> None:
    """What is wrong only together."""
    last = settings.metrics.port + settings.engine.workers - 1
    if last > 65_535:
        origin = by_path["metrics.port"].origin
        raise ConfigurationError(
            f"{origin}: metrics.port = {settings.metrics.port}: {settings.engine.workers} workers take the "
            f"ports up to {last}; must be at most {65_536 - settings.engine.workers}"
        )
    kafka = settings.kafka
    topics = {
        "orders": kafka.orders,
        "clicks": kafka.clicks,
        "stock": kafka.stock,
        "baselines": kafka.baselines,
    }
    topics["dead_letters"] = kafka.dead_letters
    names = list(topics.values())
    for key, name in topics.items():
        if name and names.count(name) > 1:
            given = by_path.get(f"kafka.{key}")
            if given:
                raise ConfigurationError(
                    f"{given.origin}: kafka.{key} = {name!r}: another setting names the same topic; "
                    "orders, clicks, stock, baselines and dead_letters must be topics of their own"
                )
