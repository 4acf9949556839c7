"""Settings: what is understood, what stops the start, and that no secret is ever shown."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from domain.size import format_size
from infrastructure.setting_sources import SettingsError, load_settings
from infrastructure.setting_values import format_duration, mask_secrets, parse_duration, parse_size
from tests.architecture.source import ROOT

SECRET = "0b1c2d3e4f5061728394a5b6c7d8e9f0"
NO_FILE = Path("/nonexistent/.env")


def problems(env: dict[str, str], dotenv: Path = NO_FILE) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(env, dotenv)
    return list(caught.value.problems)


def test_the_defaults_are_the_contracts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings({}, NO_FILE)
    assert (settings.api_host, settings.api_port, settings.public_url) == ("127.0.0.1", 8888, "")
    assert settings.data_dir == tmp_path / "var"
    assert settings.database_url == f"sqlite+aiosqlite:///{tmp_path}/var/files.db"
    assert settings.storage_path == tmp_path / "var" / "storage"
    assert settings.events_url == "memory://"
    assert settings.max_upload_size == 50 * 1024**3
    assert settings.max_chunk_size == 10485760
    assert (settings.max_file_size, settings.image_max_pixels) == (10485760, 80_000_000)
    assert settings.upload_ttl == timedelta(hours=24)
    assert (settings.cleanup_interval, settings.cleanup_after) == (timedelta(minutes=30), timedelta(hours=1))
    assert (settings.durability, settings.auth_mode, settings.rate_limit) == ("ack", "open", "600/minute")
    assert (settings.quota_open_uploads, settings.quota_files, settings.quota_bytes) == (100, 1_000_000, None)
    assert (settings.upload_rate_limit, settings.connections_per_client) == ("12000/minute", 16_384)
    assert (settings.log_level, settings.log_format) == ("INFO", None)


@pytest.mark.parametrize(
    ("text", "size"),
    [("16MiB", 16 * 1024**2), ("5MB", 5_000_000), ("1.5GiB", 3 * 1024**3 // 2), ("10485760", 10485760),
     ("1 KiB", 1024), ("2k", 2000), ("2.01GB", 2_010_000_000), ("7B", 7), ("1TiB", 1024**4), ("5mb", 5_000_000)],
)  # fmt: skip
def test_sizes_take_units(text: str, size: int) -> None:
    assert load_settings({"MAX_UPLOAD_SIZE": text}, NO_FILE).max_upload_size == size


@pytest.mark.parametrize(
    ("text", "pixels", "shown"),
    [
        ("80MP", 80_000_000, "80MP"),
        ("108 mp", 108_000_000, "108MP"),
        ("0.5MP", 500_000, "500000"),
        ("10000", 10_000, "10000"),
    ],
)
def test_pixels_are_counted_by_the_million(text: str, pixels: int, shown: str) -> None:
    settings = load_settings({"IMAGE_MAX_PIXELS": text}, NO_FILE)
    assert (settings.image_max_pixels, settings.shown()["IMAGE_MAX_PIXELS"]) == (pixels, shown)


@pytest.mark.parametrize("text", ["0", "80", "9999", "0.009MP", "80M", "-1", "80MB", "many"])
def test_what_is_no_number_of_pixels_is_refused(text: str) -> None:
    (line,) = problems({"IMAGE_MAX_PIXELS": text})
    assert line.startswith("IMAGE_MAX_PIXELS: ") and "such as 80MP" in line


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("24h", 86400), ("30m", 1800), ("500ms", 0.5), ("7d", 604800), ("90", 90), ("1.5h", 5400)],
)
def test_durations_take_units(text: str, seconds: float) -> None:
    assert load_settings({"UPLOAD_TTL": text}, NO_FILE).upload_ttl == timedelta(seconds=seconds)


def test_durations_are_shown_as_the_papers_spell_them() -> None:
    shown = load_settings({}, NO_FILE).shown()
    rows = re.findall(
        r"^\| `([A-Z_]+)` \| `([0-9]+(?:ms|s|m|h|d))` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 3
    assert [(name, shown[name]) for name, _ in rows] == rows


@given(st.integers(min_value=0, max_value=10**15))
def test_a_size_is_read_as_it_was_written(size: int) -> None:
    assert parse_size(format_size(size)) == size


@given(st.integers(min_value=0, max_value=10**9))
def test_a_duration_is_read_as_it_was_written(milliseconds: int) -> None:
    duration = timedelta(milliseconds=milliseconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        ("postgresql://u:p@h/db", "postgresql+asyncpg://u:p@h/db"),
        ("postgres://u:p%40%2F@h:5433/db", "postgresql+asyncpg://u:p%40%2F@h:5433/db"),
        ("postgresql+asyncpg://u@h/db", "postgresql+asyncpg://u@h/db"),
        ("postgres://u@h/db?sslmode=require", "postgresql+asyncpg://u@h/db?ssl=require"),
        ("sqlite:////srv/x.db", "sqlite+aiosqlite:////srv/x.db"),
        ("sqlite:///{DATA_DIR}/other.db", "sqlite+aiosqlite:////srv/data/other.db"),
    ],
)
def test_a_database_url_gets_its_async_driver(given_url: str, url: str) -> None:
    assert load_settings({"DATABASE_URL": given_url, "DATA_DIR": "/srv/data"}, NO_FILE).database_url == url


@pytest.mark.parametrize(
    ("env", "folder"),
    [
        ({}, "/srv/data/storage"),
        ({"STORAGE_URL": "volume:///mnt/files"}, "/mnt/files"),
        ({"STORAGE_URL": "volume://{DATA_DIR}/bytes"}, "/srv/data/bytes"),
        ({"STORAGE_URL": "volume:///mnt/files", "STORAGE_PATH": "/mnt/other"}, "/mnt/other"),
    ],
)
def test_storage_path_overrides_the_folder_of_the_volume(env: dict[str, str], folder: str) -> None:
    assert load_settings({"DATA_DIR": "/srv/data", **env}, NO_FILE).storage_path == Path(folder)


@pytest.mark.parametrize(
    ("env", "name", "endpoint", "region"),
    [
        ({"STORAGE_URL": "s3://files?endpoint=http://h:9000&region=eu-1"}, "files", "http://h:9000", "eu-1"),
        ({"STORAGE_URL": "s3://files?endpoint=h:9000", "S3_USE_SSL": "0"}, "files", "http://h:9000", "us-east-1"),
        (
            {"STORAGE_URL": "s3://files", "S3_ENDPOINT": "s3.example.org"},
            "files",
            "https://s3.example.org",
            "us-east-1",
        ),
        ({"STORAGE_URL": "s3://files", "S3_BUCKET": "other"}, "files", None, "us-east-1"),
        ({"S3_BUCKET": "files", "S3_REGION": "eu-1"}, "files", None, "eu-1"),
    ],
)
def test_a_bucket_is_named_by_one_url_or_by_several_names(
    env: dict[str, str], name: str, endpoint: str | None, region: str
) -> None:
    settings = load_settings({"S3_ACCESS_KEY": "k", "S3_SECRET_KEY": "hunter2", **env}, NO_FILE)
    bucket = settings.bucket
    assert bucket is not None
    assert (bucket.name, bucket.endpoint, bucket.region) == (name, endpoint, region)
    assert (bucket.access_key, bucket.secret_key) == ("k", "hunter2")
    assert "hunter2" not in repr(bucket) + str(settings.shown())
    assert settings.shown()["STORAGE_URL"].startswith(f"s3://{name}?")


def test_a_volume_that_is_named_wins_over_the_name_of_a_bucket() -> None:
    env = {"STORAGE_URL": "volume:///srv/files", "S3_BUCKET": "files"}
    assert load_settings(env, NO_FILE).bucket is None


def test_lists_are_separated_by_commas() -> None:
    settings = load_settings(
        {"TRUSTED_PROXIES": "10.0.0.0/8, ::1", "CORS_ORIGINS": "https://A.example,http://b.example:8080/"},
        NO_FILE,
    )
    assert settings.trusted_proxies == (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1/128"))
    assert settings.cors_origins == ("https://a.example", "http://b.example:8080")


@pytest.mark.parametrize("name", ["50%20off", "what?", "a#b", "me@home", "a b;c", "%", "\u00fcber", "x:y//z"])
def test_a_path_becomes_a_url_and_comes_back(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    settings = load_settings({"DATA_DIR": str(home)}, NO_FILE)
    assert make_url(settings.database_url).database == f"{home}/files.db"
    assert settings.storage_path == home / "storage"
    shown = settings.shown()
    assert shown["DATA_DIR"] == str(home)
    again = load_settings({name: shown[name] for name in ("DATA_DIR", "DATABASE_URL", "STORAGE_URL")}, NO_FILE)
    assert (again.database_url, again.storage_path) == (settings.database_url, settings.storage_path)


def test_a_storage_url_is_escaped_as_urls_are_and_a_path_is_not() -> None:
    assert load_settings({"STORAGE_URL": "volume:///srv/50%20off"}, NO_FILE).storage_path == Path("/srv/50 off")
    assert load_settings({"STORAGE_PATH": "/srv/50%20off"}, NO_FILE).storage_path == Path("/srv/50%20off")


def test_a_public_url_may_stand_in_a_header() -> None:
    env = {"PUBLIC_URL": "https://m\u00fcnchen.example:8443/\u00e4/50%20/"}
    assert load_settings(env, NO_FILE).public_url == "https://xn--mnchen-3ya.example:8443/%C3%A4/50%20"


@pytest.mark.parametrize("host", ["[::1]", "::1"])
def test_an_address_to_listen_on_may_stand_in_brackets(host: str) -> None:
    settings = load_settings({"API_HOST": host}, NO_FILE)
    assert (settings.api_host, settings.warnings) == ("::1", ())


def test_none_lifts_a_limit() -> None:
    quotas, limits = (
        ("quota_open_uploads", "quota_files", "quota_bytes"),
        ("rate_limit", "user_rate_limit", "upload_rate_limit"),
    )
    settings = load_settings({name.upper(): "none" for name in (*quotas, *limits)}, NO_FILE)
    assert {getattr(settings, name) for name in (*quotas, *limits)} == {None}


def test_an_empty_value_counts_as_unset() -> None:
    assert load_settings({"API_PORT": "", "DATABASE_URL": "", "QUOTA_BYTES": ""}, NO_FILE).api_port == 8888


@pytest.mark.parametrize(
    "secret",
    ["x", "hunter2", "k3J9" * 7 + "abc", "a" * 64, "abcabcabc" * 8, "change-me-change-me-change-me-42",
     "your-256-bit-secret-your-256-bit-secret", "a-string-secret-at-least-256-bits-long",
     "Super_Secret-K3y!0a9b8c7d6e5f4g3h2i1j", "Passw0rd-password-PASSWORD-1234567"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["LINK_SECRET", "AUTH_JWT_SECRET"])
def test_a_short_or_well_known_secret_stops_the_start_and_is_not_told(name: str, secret: str) -> None:
    [problem] = problems({name: secret})
    assert problem.startswith(f"{name}: (hidden) is not possible")
    assert secret not in problem.replace("openssl rand -hex", "") or secret == "x"


@pytest.mark.parametrize(
    "secret", ["4f1d9be0c2a7" * 6, "correct horse battery staple rides again", "0123456789abcdef" * 2]
)
def test_a_secret_of_some_length_is_taken_as_it_is(secret: str) -> None:
    settings = load_settings({"LINK_SECRET": secret}, NO_FILE)
    assert settings.link_secret is not None and settings.link_secret.get_secret_value() == secret
    assert secret not in repr(settings) and settings.shown()["LINK_SECRET"] == "***"


def test_variables_of_others_are_nobodys_business() -> None:
    load_settings({"PATH": "/bin", "QUEUE_URL": "redis://h", "IMAGE_MAX_AGE": "huge", "JWT_SECRET": "x"}, NO_FILE)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({}, "AUTH_JWT_SECRET or AUTH_JWT_JWKS_FILE"),
        ({"AUTH_JWT_SECRET": SECRET, "AUTH_JWT_JWKS_FILE": "keys.json"}, "only one of them"),
        ({"AUTH_JWT_SECRET": SECRET, "AUTH_JWT_ALGORITHMS": "none"}, "'none' is none of them"),
        ({"AUTH_JWT_SECRET": SECRET, "AUTH_JWT_ALGORITHMS": "HS256,RS256"}, "RS256 can't go with a secret"),
        ({"AUTH_JWT_JWKS_FILE": "keys.json", "AUTH_JWT_ALGORITHMS": "HS256"}, "HS256 can't go with public keys"),
        ({"AUTH_JWT_SECRET": SECRET, "AUTH_JWT_ALGORITHMS": "HS512"}, "at least 64 letters"),
    ],
)
def test_tokens_need_one_signer_and_its_algorithms(env: dict[str, str], said: str) -> None:
    (line,) = problems({"AUTH_MODE": "jwt", **env})
    assert said in line and SECRET not in line


def test_tokens_made_for_other_services_are_warned_of() -> None:
    env = {"AUTH_MODE": "jwt", "AUTH_JWT_JWKS_FILE": "keys.json"}
    (warning,) = load_settings(env, NO_FILE).warnings
    assert "AUTH_JWT_AUDIENCE is empty" in warning
    assert load_settings({**env, "AUTH_JWT_AUDIENCE": "longshore"}, NO_FILE).warnings == ()


def test_several_processes_hear_of_one_another_without_being_told_how() -> None:
    env = {"DATABASE_URL": "postgresql://u:p@h/db", "PROCESSES": "2"}
    settings = load_settings(env, NO_FILE)
    assert (settings.telling, settings.shown()["EVENTS_URL"]) == ("postgres", "postgres://")
    assert load_settings({**env, "EVENTS_URL": "nats://h"}, NO_FILE).telling == "nats"
    with pytest.raises(SettingsError, match="nats://: else who watches"):
        load_settings({**env, "EVENTS_URL": "memory://"}, NO_FILE)
    assert load_settings({**env, "PROCESSES": "none"}, NO_FILE).telling == "memory"
    assert load_settings({"EVENTS_URL": "nats://h", "PROCESSES": "2"}, NO_FILE).telling == "nats", "with SQLite"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("API_PORT", "70000", "1 to 65535"),
        ("API_PORT", "8_888", "1 to 65535"),
        ("API_HOST", "http://localhost", "host name"),
        ("PROCESSES", "0", "1 to 64"),
        ("PROCESSES", "auto", "1 to 64"),
        ("PROCESSES", "2", "PostgreSQL"),
        ("PUBLIC_URL", "example.org", "http://"),
        ("PUBLIC_URL", "https://u:p@example.org", "http://"),
        ("PUBLIC_URL", "https://example.org/?a=b", "http://"),
        ("DATABASE_URL", "mysql://u:p@h/db", "postgresql://"),
        ("DATABASE_URL", "sqlite://", "in-memory"),
        ("DATABASE_URL", "sqlite:///:memory:", "in-memory"),
        ("DATABASE_URL", "postgresql://h:port/db", "postgresql://"),
        ("STORAGE_URL", "s3://bucket", "S3_ACCESS_KEY and S3_SECRET_KEY"),
        ("S3_BUCKET", "bucket", "S3_ACCESS_KEY and S3_SECRET_KEY"),
        ("STORAGE_URL", "s3://Bucket", "small letters"),
        ("STORAGE_URL", "s3://bucket/folder", "s3://<bucket>?"),
        ("STORAGE_URL", "s3://bucket?endpoint=ftp://h", "https://s3.example.org"),
        ("STORAGE_URL", "s3://bucket?region=here or there", "eu-central-1"),
        ("STORAGE_URL", "s3://bucket?endpiont=http://h", "s3://<bucket>?"),
        ("S3_BUCKET", "a", "3 to 63"),
        ("S3_ENDPOINT", "http://h/?x=1", "https://s3.example.org"),
        ("S3_REGION", "a/b", "eu-central-1"),
        ("STORAGE_URL", "/srv/files", "volume://"),
        ("STORAGE_URL", "volume://", "volume://"),
        ("EVENTS_URL", "redis://h", "memory://, postgres:// or nats://"),
        ("EVENTS_URL", "nats://", "nats://user"),
        ("EVENTS_URL", "nats://h:4222/subject", "nats://user"),
        ("EVENTS_URL", "amqp://h", "nats://user"),
        ("EVENTS_URL", "postgres://u:p@h/db", "postgres:// alone"),
        ("EVENTS_URL", "postgres://", "DATABASE_URL"),
        ("JOBS_URL", "redis://h", "nats://"),
        ("JOBS_URL", "nats://", "nats://"),
        ("JOBS_URL", "nats://h:4222/a", "nats://"),
        ("JOBS_URL", "amqp://h:port", "amqp://"),
        ("JOBS_URL", "database://h", "database://,"),
        ("WORKERS_INLINE", "-1", "0 to 64"),
        ("MAX_UPLOAD_SIZE", "5 apples", "16MiB"),
        ("MAX_UPLOAD_SIZE", "5MB or so", "16MiB"),
        ("MAX_UPLOAD_SIZE", "1,5GiB", "16MiB"),
        ("MAX_UPLOAD_SIZE", "-1", "16MiB"),
        ("MAX_UPLOAD_SIZE", "0", "1 to"),
        ("MAX_UPLOAD_SIZE", "9999999TiB", "1 to"),
        ("UPLOAD_TTL", "soon", "24h"),
        ("UPLOAD_TTL", "0", "100ms to"),
        ("UPLOAD_TTL", "999999999999d", "3650d"),
        ("UPLOAD_TTL", "\u0663s", "24h"),
        ("DURABILITY", "always", "'ack', 'complete' or 'none'"),
        ("AUTH_MODE", "jwt", "AUTH_JWT_SECRET"),
        ("AUTH_MODE", "basic", "'open', 'gateway' or 'jwt'"),
        ("AUTH_MODE", "gateway", "TRUSTED_PROXIES"),
        ("TRUSTED_PROXIES", "proxy.local", "IP addresses"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "host bits"),
        ("ALLOWED_HOSTS", "https://files.example", "without port"),
        ("ALLOWED_HOSTS", "files.example:443", "without port"),
        ("ALLOWED_HOSTS", ".files.example", "without port"),
        ("CORS_ORIGINS", "null", "https://example.org"),
        ("CORS_ORIGINS", "https://a.example/path", "https://example.org"),
        ("RATE_LIMIT", "many", "600/minute"),
        ("RATE_LIMIT", "0/minute", "600/minute"),
        ("UPLOAD_RATE_LIMIT", "fast", "600/minute"),
        ("QUOTA_FILES", "0", "1 to"),
        ("CONNECTIONS_PER_CLIENT", "-1", "1 to"),
        ("QUOTA_OPEN_UPLOADS", "0", "1 to"),
        ("LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("LOG_FORMAT", "xml", "'console' or 'json'"),
        ("S3_USE_SSL", "perhaps", "1 or 0"),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_clear_line(name: str, value: str, allowed: str) -> None:
    (line,) = problems({name: value})
    assert line.startswith(f"{name}: ")
    assert allowed in line
    assert "\n" not in line


def test_every_problem_is_told_at_once() -> None:
    lines = problems({"API_PORT": "x", "DURABILITY": "y", "MAX_CHUNK_SIZE": "z", "AUTH_MODE": "basic"})
    assert [line.split(":")[0] for line in lines] == ["API_PORT", "DURABILITY", "MAX_CHUNK_SIZE", "AUTH_MODE"]


def test_a_problem_shows_what_was_given_without_ending_its_line() -> None:
    (line,) = problems({"API_PORT": "1\nroot: ok"})
    assert r"'1\nroot: ok'" in line
    (line,) = problems({"API_PORT": "9" * 5000})
    assert len(line) < 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://root:hunter2@h/db"),
        ("DATABASE_URL", "postgresql://root:hunter2@h:port/db"),
        ("DATABASE_URL", "postgresql:/root:hunter2@h/db"),
        ("DATABASE_URL", "root:hunter2@h/db"),
        ("DATABASE_URL", "root:a/b@hunter2@h/db"),
        ("DATABASE_URL", "mysql://h/db?password=hunter2&x=1"),
        ("EVENTS_URL", "nats://root:hunter2@h:4222/a"),
        ("STORAGE_URL", "s3://key:hunter2@bucket"),
    ],
)
def test_a_problem_never_shows_a_password(name: str, value: str) -> None:
    (line,) = problems({name: value})
    assert "hunter2" not in line


def test_effective_settings_show_no_secret() -> None:
    settings = load_settings(
        {"DATABASE_URL": "postgres://root:hunter2@h/db", "S3_ACCESS_KEY": "hunter2", "S3_SECRET_KEY": "hunter2",
         "LINK_SECRET": "hunter2-correct-horse-battery-42", "EVENTS_URL": "nats://root:hunter2@h"},
        NO_FILE,
    )  # fmt: skip
    assert "hunter2" not in str(settings.shown())
    assert "hunter2" not in repr(settings)
    assert settings.shown()["DATABASE_URL"] == "postgresql+asyncpg://root:***@h/db"


def test_what_is_shown_can_be_loaded_again() -> None:
    settings = load_settings({"UPLOAD_TTL": "90s", "QUOTA_BYTES": "5MB", "TRUSTED_PROXIES": "::1,10.0.0.0/8"}, NO_FILE)
    assert load_settings(settings.shown(), NO_FILE) == settings


def test_a_line_without_a_password_is_shown_as_it_is() -> None:
    assert mask_secrets("volume:///srv/files") == "volume:///srv/files"


def test_dotenv_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("# ours\nAPI_PORT=9001\nexport API_HOST='::1'\nDATABASE_URL=postgres://u:${x}$y@h/db\n")
    settings = load_settings({"API_PORT": "9002"}, dotenv)
    assert (settings.api_port, settings.api_host) == (9002, "::1")
    assert settings.database_url == "postgresql+asyncpg://u:${x}$y@h/db"


def test_dotenv_of_the_working_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("API_PORT=9001\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_HOST", "127.0.0.7")
    monkeypatch.delenv("API_PORT", raising=False)
    settings = load_settings()
    assert (settings.api_port, settings.api_host) == (9001, "127.0.0.7")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("API_PROT=1\n", "API_PROT: unknown setting"),
        ("api_port=1\n", "API_PORT?"),
        ("QUEUE_URL=database://\n", "QUEUE_URL: unknown setting"),
        ("IMAGE_MAX_AGE=5MiB\n", "IMAGE_MAX_AGE: unknown setting"),
        ("API_PORT 9000\n", "line 1: not of the form NAME=value"),
        ("\nAPI_PORT\n", "line 2: not of the form NAME=value"),
        ("API_PORT=x\n", "1 to 65535"),
    ],
)
def test_a_slip_in_dotenv_stops_the_start(tmp_path: Path, text: str, expected: str) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text(text)
    (line,) = problems({}, dotenv)
    assert expected in line


def test_a_dotenv_that_is_not_text_stops_the_start(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"API_PORT=\xff\n")
    (line,) = problems({}, dotenv)
    assert "not UTF-8" in line


@pytest.mark.parametrize(
    ("env", "word"),
    [
        ({"API_HOST": "0.0.0.0"}, "AUTH_MODE is open"),
        ({"API_HOST": "::"}, "AUTH_MODE is open"),
        ({"DURABILITY": "none"}, "DURABILITY"),
        ({"AUTH_MODE": "gateway", "TRUSTED_PROXIES": "0.0.0.0/0"}, "TRUSTED_PROXIES"),
    ],
)
def test_what_may_be_meant_but_is_risky_is_said_aloud(env: dict[str, str], word: str) -> None:
    (warning,) = load_settings(env, NO_FILE).warnings
    assert word in warning


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_loopback_needs_no_warning(host: str) -> None:
    assert load_settings({"API_HOST": host}, NO_FILE).warnings == ()
