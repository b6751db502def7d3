"""Configuration: a file, then the environment, then flags; a wrong value is answered in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.options import EngineOptions
from warroom.config import HIDDEN, Given, load
from warroom.config_report import WIDTH, config_text
from warroom.errors import ConfigurationError
from warroom.wiring import options_of

MIDNIGHT = "2019-12-12T00:00:00+08:00"
MIDNIGHT_MS = 1_576_080_000_000


@pytest.fixture(autouse=True)
def empty_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    file = Path("night.toml")
    file.write_text(text)
    return file


def refusal(text: str = "", environment: dict[str, str] | None = None, flags: tuple[Given, ...] = ()) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(write(text), environment, flags)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_flag_wins_over_environment_and_environment_over_file() -> None:
    file = write('[kafka]\nbrokers = "file:1"\norders = "file"\ngroup = "file"\n')
    environment = {"WARROOM_KAFKA__BROKERS": "environment:1", "WARROOM_KAFKA__ORDERS": "environment"}
    configuration = load(file, environment, [Given("kafka.brokers", "flag:1", "--brokers")])

    kafka = configuration.settings.kafka
    assert (kafka.brokers, kafka.orders, kafka.group) == ("flag:1", "environment", "file")
    assert [configuration.origin(f"kafka.{k}") for k in ("brokers", "orders", "group", "baselines")] == [
        "--brokers",
        "WARROOM_KAFKA__ORDERS",
        "night.toml",
        "default",
    ]


def test_warroom_toml_of_the_working_directory_is_read_when_no_file_is_named() -> None:
    Path("warroom.toml").write_text('[redis]\nprefix = "night:"\n')
    assert load().settings.redis.prefix == "night:"


def test_without_any_file_everything_is_a_default() -> None:
    configuration = load()
    assert {configuration.origin(path) for path in configuration.settings.flat()} == {"default"}


def test_defaults_of_the_settings_are_the_defaults_of_the_flow() -> None:
    engine = options_of(load(flags=[Given("state.enabled", False, "--no-state")]).settings).engine
    assert engine == EngineOptions()


def test_relative_state_directory_in_a_file_is_relative_to_that_file(tmp_path: Path) -> None:
    file = tmp_path / "etc" / "warroom.toml"
    file.parent.mkdir()
    file.write_text('[state]\ndirectory = "kept"\n')
    assert load(file).settings.state.directory == tmp_path / "etc" / "kept"


def test_opening_of_the_sale_reaches_the_flow_in_milliseconds() -> None:
    settings = load(write(f'[sale]\nopens = "{MIDNIGHT}"\n')).settings
    assert options_of(settings).engine.sale_opens_ms == MIDNIGHT_MS


def test_opening_of_the_sale_may_be_a_time_of_toml() -> None:
    settings = load(write(f"[sale]\nopens = {MIDNIGHT}\n")).settings
    assert options_of(settings).engine.sale_opens_ms == MIDNIGHT_MS


def test_numbers_lists_and_booleans_are_read_from_the_environment() -> None:
    settings = load(
        environment={
            "WARROOM_ENGINE__WORKERS": "3",
            "WARROOM_ENGINE__SERIES_WATCH": "M1, M2",
            "WARROOM_STATE__ENABLED": "false",
        }
    ).settings
    assert (settings.engine.workers, settings.engine.series_watch, settings.state.enabled) == (
        3,
        ("M1", "M2"),
        False,
    )


def test_other_variables_of_the_environment_are_left_alone() -> None:
    assert load(environment={"WARROOM_LOGO": "x", "PATH": "/bin"}).origins == {}


@pytest.mark.parametrize(
    "text",
    [
        '[kafka.client]\n"sasl.password" = "s3same"\n',
        '[kafka.client]\nsasl.password = "s3same"\n',
    ],
)
def test_settings_of_librdkafka_pass_through_quoted_or_dotted(text: str) -> None:
    assert options_of(load(write(text)).settings).kafka.client == {"sasl.password": "s3same"}


def test_settings_of_librdkafka_are_text_whatever_toml_holds() -> None:
    file = write('[kafka.client]\n"enable.ssl.certificate.verification" = false\n"fetch.wait.max.ms" = 5\n')
    assert load(file).settings.kafka.client == {
        "enable.ssl.certificate.verification": "false",
        "fetch.wait.max.ms": "5",
    }


def test_password_of_librdkafka_may_stand_in_the_environment() -> None:
    settings = load(environment={"WARROOM_KAFKA__CLIENT__SASL_PASSWORD": "s3same"}).settings
    assert settings.kafka.client == {"sasl.password": "s3same"}


def test_unknown_key_is_refused_with_the_one_that_was_meant() -> None:
    assert refusal('[kafka]\nbrokrs = "x:1"\n') == (
        "night.toml: kafka.brokrs = 'x:1': there is no such setting; did you mean kafka.brokers?"
    )


def test_unknown_section_is_refused() -> None:
    assert refusal('[kafak]\nbrokers = "x:1"\n') == (
        "night.toml: kafak.brokers = 'x:1': there is no such setting; did you mean kafka.brokers?"
    )


def test_unknown_key_of_the_environment_is_refused() -> None:
    assert refusal(environment={"WARROOM_REDIS__ULR": "redis://x"}) == (
        "WARROOM_REDIS__ULR: redis.ulr = 'redis://x': there is no such setting; did you mean redis.url?"
    )


def test_wrong_type_is_refused_with_what_would_be_right() -> None:
    assert refusal('[redis]\npublish_interval_ms = "often"\n') == (
        "night.toml: redis.publish_interval_ms = 'often': must be whole milliseconds from 50 to 60000"
    )


def test_impossible_value_of_a_flag_names_the_flag() -> None:
    assert refusal(flags=(Given("engine.workers", 0, "--workers"),)) == (
        "--workers: engine.workers = '0': must be processes from 1 to 64"
    )


@pytest.mark.parametrize(
    "opens",
    ['"2019-12-12T00:00:00"', '"2019-12-12"', "1576080000", '"1576080000"', f'"{MIDNIGHT[:17]}03+08:00"'],
    ids=["no offset", "date only", "number", "number as text", "between two buckets"],
)
def test_opening_of_the_sale_needs_a_time_with_offset_on_five_seconds(opens: str) -> None:
    assert refusal(f"[sale]\nopens = {opens}\n").endswith(
        "must be a time with its offset on a whole 5 seconds, such as 2019-12-12T00:00:00+08:00"
    )


def test_unknown_time_zone_is_refused() -> None:
    assert "engine.timezone = 'Asia/Peking': must be a time zone" in refusal(
        '[engine]\ntimezone = "Asia/Peking"\n'
    )


def test_text_that_is_not_toml_is_refused_with_its_line() -> None:
    assert refusal("[kafka\n").startswith("night.toml: not TOML:")


def test_key_outside_of_a_section_is_refused() -> None:
    assert refusal('brokers = "x"\n') == "night.toml: brokers = 'x' stands outside of a [section]"


def test_file_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^absent\.toml: cannot be read: No such file"):
        load(Path("absent.toml"))


def test_ports_beyond_the_last_are_refused() -> None:
    assert refusal("[metrics]\nport = 65535\n[engine]\nworkers = 2\n") == (
        "night.toml: metrics.port = 65535: 2 workers take the ports up to 65536; must be at most 65534"
    )


def test_one_topic_for_two_purposes_is_refused() -> None:
    assert "kafka.dead_letters = 'orders': another setting names the same topic" in refusal(
        '[kafka]\ndead_letters = "orders"\n'
    )


def test_wrong_url_with_a_password_is_refused_without_telling_it() -> None:
    message = refusal('[redis]\nurl = "http://:s3same@host:1"\n')
    assert "s3same" not in message
    assert f"http://:{HIDDEN}@host:1" in message


def test_report_says_where_each_value_comes_from() -> None:
    text = config_text(load(write('[redis]\nprefix = "night:"\n'), {"WARROOM_ENGINE__WORKERS": "2"}))
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith("  ")}
    assert lines["prefix"] == ["night:", "night.toml"]
    assert lines["workers"] == ["2", "WARROOM_ENGINE__WORKERS"]
    assert lines["brokers"] == ["127.0.0.1:9092", "default"]


def test_report_hides_every_secret() -> None:
    file = write(
        '[redis]\nurl = "redis://user:s3same@host:1/0"\n'
        '[kafka.client]\n"sasl.password" = "s3same"\n"ssl.key.password" = "s3same"\n'
        '"ssl.key.pem" = "s3same"\n"sasl.oauthbearer.client.secret" = "s3same"\n"sasl.username" = "anna"\n'
    )
    text = config_text(load(file))
    assert "s3same" not in text
    assert f"redis://user:{HIDDEN}@host:1/0" in text
    assert "anna" in text


def test_report_fits_eighty_columns_whatever_the_values() -> None:
    file = write(f'[kafka]\nbrokers = "{",".join(f"broker-{i}:9092" for i in range(20))}"\n')
    text = config_text(load(file, {"WARROOM_SUPERVISOR__BACKOFF_MOST_SECONDS": "2"}))
    assert max(len(line) for line in text.splitlines()) <= WIDTH
    assert "from WARROOM_SUPERVISOR__BACKOFF_MOST_SECONDS" in text
