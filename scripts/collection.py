"""Prints a Postman collection (2.1, which Bruno and Insomnia import, too) of what /openapi.json tells."""

import json
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from infrastructure.container import container_of
from infrastructure.setting_sources import load_settings

_SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def collection_of(openapi: dict[str, Any]) -> dict[str, Any]:
    folders: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path, operations in openapi["paths"].items():
        for method, told in operations.items():
            if method not in ("head", "options"):
                folders[told["tags"][0]].append(_request(path, method, told))
    info = openapi["info"]
    return {
        "info": {"name": info["title"], "description": info["description"], "schema": _SCHEMA},
        "variable": [{"key": "base", "value": "http://127.0.0.1:8888"}, {"key": "token", "value": ""}],
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "item": [{"name": name, "item": items} for name, items in sorted(folders.items())],
    }


def _request(path: str, method: str, told: dict[str, Any]) -> dict[str, Any]:
    takes = told.get("parameters", [])
    target = re.sub(r"\{(\w+)\}", r":\1", path)
    url = {
        "raw": f"{{{{base}}}}{target}",
        "host": ["{{base}}"],
        "path": target.strip("/").split("/"),
        "variable": [{"key": each["name"], "value": ""} for each in takes if each["in"] == "path"],
        "query": [_given(each) for each in takes if each["in"] == "query"],
    }
    request: dict[str, Any] = {
        "method": method.upper(),
        "description": told.get("description", told["summary"]),
        "header": [_given(each) for each in takes if each["in"] == "header"],
        "url": url,
    }
    if content := told.get("requestBody", {}).get("content"):
        request["body"] = _body(*next(iter(content.items())))
    return {"name": told["summary"], "request": request}


def _given(parameter: dict[str, Any]) -> dict[str, Any]:
    value = str(next(iter(parameter["schema"].get("enum", ())), ""))
    given = {"key": parameter["name"], "value": value, "description": parameter.get("description", "")}
    return given if parameter["required"] else {**given, "disabled": True}


def _body(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    fields = schema["schema"].get("properties", {})
    if media_type == "multipart/form-data":
        kinds = {name: "file" if about.get("format") == "binary" else "text" for name, about in fields.items()}
        return {"mode": "formdata", "formdata": [{"key": name, "type": kind} for name, kind in kinds.items()]}
    if media_type == "application/json":
        raw = json.dumps(dict.fromkeys(fields, ""), indent=2)
        return {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
    return {"mode": "file"}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        container = container_of(load_settings({"DATA_DIR": folder}, Path(folder) / "none"))
        print(json.dumps(collection_of(json.loads(container.documents().openapi_text())), indent=2))


if __name__ == "__main__":
    main()
