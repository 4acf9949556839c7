"""What is in ``deploy``, ``Dockerfile`` and ``compose.yaml`` fits what there is: settings, paths, verbs, series."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.inbound.http.operations.request_measures import RequestMeasures
from adapters.outbound.memory.metrics import MemoryMetrics
from infrastructure.observing.process_measures import LoopLag, process_families
from infrastructure.setting_sources import load_settings
from infrastructure.settings import Settings
from tests.architecture.source import ROOT

DEPLOY = ROOT / "deploy"
SETTINGS = {name.upper() for name in Settings.model_fields}
_OTHERS = {"PATH", "PYTHONDONTWRITEBYTECODE", "COMPOSE_PROFILES", "POSTGRES_PASSWORD"}
_VERBS = {"serve", "worker"}
_SECRET = "0123456789abcdef" * 4


def of_env(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text()))


def in_kubernetes() -> dict[str, str]:
    return {
        name: value
        for each in manifests()
        if each["kind"] in ("ConfigMap", "Secret")
        for name, value in {**each.get("data", {}), **each.get("stringData", {})}.items()
    }


def in_units() -> set[str]:
    text = "".join(path.read_text() for path in DEPLOY.glob("*.service"))
    return set(re.findall(r"^Environment=(\w+)=", text, re.MULTILINE))


def in_image() -> set[str]:
    found = re.search(r"^ENV (.*?[^\\])\n[A-Z]", (ROOT / "Dockerfile").read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return set(re.findall(r"(\w+)=", found[1]))


def in_compose() -> set[str]:
    services = compose()["services"]
    return set(services["server"]["environment"]) | set(services["worker"]["environment"])


def test_names_of_settings_are_those_there_are() -> None:
    named = in_units() | in_image() | in_compose() | set(in_kubernetes()) | set(of_env(DEPLOY / "cluster.env"))
    assert len(named) > 20
    assert named - SETTINGS - _OTHERS == set()
    comments = "".join(path.read_text() for path in (DEPLOY / "nginx.conf", DEPLOY / "Caddyfile"))
    assert set(re.findall(r"\b([A-Z]+_[A-Z_]+)=", comments)) <= SETTINGS


@pytest.mark.parametrize("given", [of_env(DEPLOY / "cluster.env"), in_kubernetes()], ids=["compose", "kubernetes"])
def test_their_values_are_possible(given: dict[str, str], tmp_path: Path) -> None:
    secrets = {name: _SECRET for name, value in given.items() if value.startswith("CHANGE-")}
    settings = load_settings({**given, **secrets}, tmp_path / "none")
    assert settings.database_url.startswith("postgresql+asyncpg://")
    assert settings.storage_scheme == "s3"


def test_compose_hands_on_what_its_cluster_sets() -> None:
    assert set(of_env(DEPLOY / "cluster.env")) - in_compose() == {"COMPOSE_PROFILES", "POSTGRES_PASSWORD"}
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)", text)) <= SETTINGS | _OTHERS
    for service in compose()["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in compose()["volumes"]


def test_workers_are_read_where_they_tell_their_figures() -> None:
    [scraped] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
    [workers] = scraped["dns_sd_configs"]
    assert workers["names"][0] in compose()["services"]
    assert of_env(DEPLOY / "cluster.env")["WORKER_METRICS_PORT"] == str(workers["port"])
    [pod] = [
        each["spec"]["template"]
        for each in manifests()
        if each["kind"] == "Deployment" and each["spec"]["template"]["spec"]["containers"][0]["args"] == ["worker"]
    ]
    port = in_kubernetes()["WORKER_METRICS_PORT"]
    assert pod["metadata"]["annotations"]["prometheus.io/port"] == port
    assert str(pod["spec"]["containers"][0]["ports"][0]["containerPort"]) == port


def test_containers_are_not_root_and_write_nowhere_but_where_they_may() -> None:
    for name in ("server", "worker"):
        service = compose()["services"][name]
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    pods = [each["spec"]["template"]["spec"] for each in manifests() if each["kind"] == "Deployment"]
    assert len(pods) == 2
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["args"][0] in _VERBS
        assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(r"^USER [1-9]\d*:", dockerfile, re.MULTILINE)


def test_the_image_has_all_that_it_copies() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE)]
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for path in (path for words in copied for path in words):
        assert (ROOT / path).exists(), path
        assert path in let_in, path


def series() -> set[str]:
    """The names that are told, those of what the use case adds by its source."""
    source = "".join(
        (ROOT / path).read_text()
        for path in ("application/observing/observation.py", "infrastructure/capabilities/progress.py")
    )
    families = [*MemoryMetrics().families(), *RequestMeasures().families(), *LoopLag().families(), *process_families()]
    names = {family.name for family in families} | set(re.findall(r'"(longshore_\w+)"', source))
    histograms = {family.name for family in families if family.kind == "histogram"}
    parts = {f"{name}{suffix}" for name in histograms for suffix in ("_bucket", "_sum", "_count")}
    return (names - histograms) | parts


def queries() -> Iterator[str]:
    board = json.loads((DEPLOY / "dashboard.json").read_text())
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (variable["query"]["query"] for variable in board["templating"]["list"] if variable["type"] == "query")
    for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_dashboard_and_alerts_ask_for_series_that_there_are() -> None:
    asked = {name for query in queries() for name in re.findall(r"\b((?:longshore|process)_\w+)", query)}
    assert len(asked) > 15
    assert asked - series() == set()
    for query in queries():
        assert query.count("(") == query.count(")") and query.count("{") == query.count("}"), query


def test_every_alert_is_told_of_in_the_papers() -> None:
    rules = [
        rule for group in yaml.safe_load((DEPLOY / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]
    page = (ROOT / "docs" / "production.md").read_text()
    assert [rule["alert"] for rule in rules if f"`{rule['alert']}`" not in page] == []
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in rules)


def test_all_that_is_there_is_told_of() -> None:
    page = (DEPLOY / "README.md").read_text()
    files = [path.name for path in DEPLOY.iterdir() if path.name != "README.md"]
    assert [name for name in files if f"`{name}`" not in page and f"deploy/{name}" not in page] == []
