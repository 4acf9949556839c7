"""The documents tell of every route there is and of none more, and are what they say they are."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from adapters.inbound.common.visits import route_of
from adapters.inbound.http.progress.stream import EventStream
from application.progress.messages import encode_json, instruction_message
from infrastructure.capabilities import CAPABILITIES
from infrastructure.container import container_of
from infrastructure.setting_sources import load_settings
from tests.architecture.source import ROOT
from tests.support.builders import an_instruction_event

Routes = set[tuple[str, str]]
_VERBS = {"get", "put", "post", "delete", "options", "head", "patch"}


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return container_of(load_settings({"DATA_DIR": str(tmp_path_factory.mktemp("data"))}, Path("none")))


@pytest.fixture(scope="module")
def openapi(container: Any) -> dict[str, Any]:
    return dict(json.loads(container.documents().openapi_text()))


@pytest.fixture(scope="module")
def asyncapi(container: Any) -> dict[str, Any]:
    return dict(json.loads(container.documents().asyncapi_text("files.example.org")))


def handled(container: Any) -> Routes:
    """What is left to Tornado: streams, which answer HEAD as well, and sockets."""
    handlers = [handler for capability in CAPABILITIES for handler in capability.handlers(container)]
    return {
        (route_of(path), method)
        for path, kind, _ in handlers
        for method in (("get", "head") if issubclass(kind, EventStream) else ("get",))
    }


async def test_every_route_is_in_the_document_and_none_more(container: Any, openapi: dict[str, Any]) -> None:
    served: Routes = {
        (route_of(resource.pattern.pattern), method.lower())
        for capability in CAPABILITIES
        for resource in capability.resources(container)
        for method in resource.methods
    } | handled(container)
    told: Routes = {(path, verb) for path, about in openapi["paths"].items() for verb in about if verb in _VERBS}
    assert told == served


def test_it_is_openapi_31(openapi: dict[str, Any]) -> None:
    assert openapi["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(openapi).validate()


def test_operations_have_names_words_and_the_parameters_of_their_paths(openapi: dict[str, Any]) -> None:
    names = []
    for path, about in openapi["paths"].items():
        for told in about.values():
            names.append(told["operationId"])
            assert told["summary"] and told["tags"]
            in_path = [each["name"] for each in told.get("parameters", ()) if each["in"] == "path"]
            assert in_path == re.findall(r"\{(\w+)\}", path), path
            assert {"4XX", "5XX"} <= told["responses"].keys()
    assert len(names) == len(set(names))


def test_tags_are_told_in_the_order_in_which_they_are_read(openapi: dict[str, Any]) -> None:
    used = {tag for about in openapi["paths"].values() for told in about.values() for tag in told["tags"]}
    assert {each["name"] for each in openapi["tags"]} == used


def test_every_schema_is_used(openapi: dict[str, Any]) -> None:
    text = json.dumps(openapi)
    assert [name for name in openapi["components"]["schemas"] if f'/schemas/{name}"' not in text] == []


async def test_every_socket_and_stream_is_a_channel(container: Any, asyncapi: dict[str, Any]) -> None:
    addresses = {channel["address"] for channel in asyncapi["channels"].values()}
    assert {address for address in addresses if address.startswith("/")} == {path for path, _ in handled(container)}


def test_progress_tells_of_instructions_too(asyncapi: dict[str, Any]) -> None:
    """As ``instruction_message`` spells it: on the socket and on the stream, with what notifications say and more."""
    event = an_instruction_event()
    told = instruction_message(encode_json, event, sequence=1)
    for channel in ("progress", "events"):
        payload = asyncapi["channels"][channel]["messages"][event.type]["payload"]
        assert set(payload["required"]) <= set(json.loads(told.body)) <= set(payload["properties"])


def test_what_asyncapi_refers_to_is_there(asyncapi: dict[str, Any]) -> None:
    assert asyncapi["asyncapi"] == "3.0.0"
    for reference in re.findall(r'"\$ref": "#/((?:servers|channels)/[^"]+)"', json.dumps(asyncapi)):
        found: Any = asyncapi
        for step in reference.split("/"):
            found = found[step]
    for operation in asyncapi["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert operation["messages"]


def test_subjects_are_those_of_the_adapters(asyncapi: dict[str, Any]) -> None:
    from adapters.outbound.nats import job_carrier, notifications, notifier

    subjects = {channel["address"] for channel in asyncapi["channels"].values() if channel["address"][0] != "/"}
    assert subjects == {job_carrier.SUBJECT, notifications.SUBJECT, notifier.SUBJECT}


def test_a_collection_has_every_operation_that_one_would_try(openapi: dict[str, Any]) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "collection.py")], capture_output=True, text=True, check=True
    )
    collection = json.loads(done.stdout)
    names = [each["name"] for folder in collection["item"] for each in folder["item"]]
    told = [
        about["summary"]
        for operations in openapi["paths"].values()
        for method, about in operations.items()
        if method not in ("head", "options")
    ]
    assert sorted(names) == sorted(told)
