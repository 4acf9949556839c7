"""Clients that send a whole file by one request: ``curl -T`` and the form."""

import json

from tests.chaos.crowd.line import Line
from tests.chaos.crowd.uploads import keep, some_content
from tests.chaos.rig.client import path_of
from tests.e2e.test_form_upload import BOUNDARY, file_part, form

IN_FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
_PAUSE = (2.0, 6.0)


def put(line: Line) -> None:
    content = some_content(line, most_kib=400)
    line.pause(*_PAUSE)
    answer = line.ask("PUT", "/upload/a.bin", list(content.blocks()), sampled="whole file")
    line.records.acknowledge(content.length)
    path = path_of(answer.body.decode().split()[-1])
    keep(line, path, content, path.strip("/").split("/")[1])


def form_field(line: Line) -> None:
    content = some_content(line, most_kib=400)
    body = form(file_part(content.read(0, content.length), "a.bin", "application/octet-stream"))
    line.pause(*_PAUSE)
    answer = line.ask("POST", "/upload", [body], IN_FORM, sampled="whole file")
    line.records.acknowledge(content.length)
    file = json.loads(answer.body)["file"]
    keep(line, path_of(file["url"]), content, file["id"])
