"""Who may open a file: its owner, everybody, whoever shows the credential, or whoever has a link that was signed.

Contract §2.5, §2.9. What makes files public or gives them a credential is the chunk API; here it is written into the
database, so that these tests are about opening alone.
"""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.e2e.conftest import StartServer
from tests.e2e.test_owners import ANNA, BERT, GATEWAY, UNKNOWN, as_user
from tests.e2e.tus import VERSION, Tus, id_of, metadata
from tests.support.processes.server import ServerProcess
from tests.support.wire import Header, Http, Response

CONTENT = bytes(range(256)) * 4
CREDENTIAL = {"user": "7", "k": "ä &=+%"}
SHOWN = urlencode(CREDENTIAL)


@dataclass(frozen=True)
class Gateway:
    """A server behind a gateway, as two users and somebody without a name see it."""

    server: ServerProcess
    anna: Tus
    bert: Tus
    nobody: Http

    def stored(self, name: str = "a.png", media_type: str = "image/png") -> str:
        """The id of a new file of Anna's."""
        return id_of(self.anna.completed(CONTENT, metadata(filename=name, filetype=media_type)))

    def public(self) -> str:
        return described(self.server, self.stored(), "public", None)

    def guarded(self) -> str:
        return described(self.server, self.stored(), "private", CREDENTIAL)


def described(server: ServerProcess, file_id: str, visibility: str, credential: dict[str, str] | None) -> str:
    """What the chunk API does at the completion."""
    with sqlite3.connect(server.data_dir / "files.db", timeout=10) as database:
        values = (visibility, json.dumps(credential) if credential else None, file_id)
        database.execute("UPDATE files SET visibility = ?, credential = ? WHERE id = ?", values)
    database.close()
    return file_id


@pytest.fixture(scope="module")
def gateway(start_module_server: StartServer) -> Gateway:
    server = start_module_server(**GATEWAY)
    http = Http(server.port)
    return Gateway(server, Tus(as_user(http, ANNA)), Tus(as_user(http, BERT)), http)


def content(file_id: str, query: str = "") -> str:
    return f"/files/{file_id}/content" + (f"?{query}" if query else "")


def link_to(http: Http, file_id: str, query: str = "") -> str:
    """The target of a new signed link."""
    answer = http.request("POST", f"/files/{file_id}/links" + (f"?{query}" if query else ""))
    assert answer.status == 201, answer
    return target_of(answer.json()["url"])


def target_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


# --- public and private


def test_a_public_file_is_opened_by_whoever_has_its_link(gateway: Gateway) -> None:
    file_id = gateway.public()
    for http in (gateway.anna.http, gateway.bert.http, gateway.nobody):
        assert http.get(content(file_id)).body == CONTENT
        assert http.get(content(file_id), ("Range", "bytes=1-2")).body == CONTENT[1:3]
        assert http.request("HEAD", content(file_id)).status == 200
        record = http.get(f"/files/{file_id}").json()
        assert (record["visibility"], record["url"]) == ("public", content(file_id))


def test_a_public_file_is_taken_away_by_its_owner_alone(gateway: Gateway) -> None:
    file_id = gateway.public()
    assert gateway.nobody.request("DELETE", f"/files/{file_id}").status == 401
    assert gateway.bert.http.request("DELETE", f"/files/{file_id}").status == 404
    assert gateway.bert.delete(f"/uploads/{file_id}").status == 404
    assert gateway.anna.http.request("DELETE", f"/files/{file_id}").status == 204
    assert gateway.nobody.get(content(file_id)).status == 401


def test_who_has_no_name_is_asked_for_it_whatever_there_is(gateway: Gateway) -> None:
    for file_id in (gateway.stored(), UNKNOWN, "junk"):
        for method, target in (("GET", content(file_id)), ("HEAD", content(file_id)), ("GET", f"/files/{file_id}")):
            answer = gateway.nobody.request(method, target)
            assert answer.status == 401, (method, target)
            assert answer.header("WWW-Authenticate")


def test_a_private_file_is_its_owners(gateway: Gateway) -> None:
    file_id = gateway.stored()
    assert gateway.anna.http.get(content(file_id)).body == CONTENT
    assert gateway.anna.http.get(f"/files/{file_id}").json()["visibility"] == "private"
    for query in ("", SHOWN):
        assert gateway.bert.http.get(content(file_id, query)).status == 404


def test_a_credential_opens_to_whoever_shows_it(gateway: Gateway) -> None:
    file_id = gateway.guarded()
    for http in (gateway.bert.http, gateway.nobody):
        for query in (SHOWN, SHOWN + "&other=1", urlencode(list(CREDENTIAL.items())[::-1])):
            assert http.get(content(file_id, query)).body == CONTENT
        assert http.get(f"/files/{file_id}?{SHOWN}").json()["size"] == len(CONTENT)
    assert gateway.anna.http.get(content(file_id)).body == CONTENT


@pytest.mark.parametrize(
    "query",
    [
        "",
        "user=7",
        SHOWN.replace("7", "8"),
        SHOWN.replace("user", "User"),
        SHOWN + "&user=7",
        SHOWN + "&user=8",
        "user=7&k=",
        SHOWN.replace("+", "%20%20"),
        "k=7&user=" + SHOWN.partition("k=")[2],
        "x" * 5000 + "=" + "y" * 5000,
        "%00=%ff",
    ],
)
def test_another_credential_is_refused(gateway: Gateway, query: str) -> None:
    file_id = gateway.guarded()
    for http in (gateway.bert.http, gateway.nobody):
        for target in (content(file_id, query), f"/files/{file_id}?{query}"):
            answer = http.get(target)
            assert (answer.status, answer.json()["code"]) == (403, "credential_refused")
            assert b"7" not in answer.body.replace(answer.json()["request_id"].encode(), b"")


def test_a_query_of_many_fields_is_refused_before_anything_is_compared(gateway: Gateway) -> None:
    query = "&".join(f"k{number}=v" for number in range(500))
    assert gateway.bert.http.get(content(gateway.guarded(), query)).status == 400


def test_a_credential_takes_nothing_away(gateway: Gateway) -> None:
    file_id = gateway.guarded()
    assert gateway.bert.http.request("DELETE", f"/files/{file_id}?{SHOWN}").status == 404
    assert gateway.nobody.request("DELETE", f"/files/{file_id}?{SHOWN}").status == 401
    assert gateway.anna.http.request("DELETE", f"/files/{file_id}").status == 204


def test_the_link_in_the_record_of_a_guarded_file_opens_it(gateway: Gateway) -> None:
    file_id = gateway.guarded()
    url = gateway.bert.http.get(f"/files/{file_id}?{SHOWN}").json()["url"]
    assert dict(parse_qsl(urlsplit(url).query)).keys() == {"expires", "signature"}
    assert gateway.nobody.get(target_of(url)).body == CONTENT


def test_neither_credentials_nor_signatures_are_logged(gateway: Gateway) -> None:
    file_id = gateway.guarded()
    gateway.bert.http.get(content(file_id, "user=hunter2"))
    gateway.bert.http.get(content(file_id, "expires=99999999999&signature=hunter2"))
    gateway.bert.http.get(content(UNKNOWN, "user=hunter2"))
    assert "hunter2" not in gateway.server.log()


def test_where_everybody_is_one_user_a_credential_still_guards(module_server: ServerProcess, tus: Tus) -> None:
    file_id = described(module_server, id_of(tus.completed(CONTENT)), "private", CREDENTIAL)
    http = tus.http
    assert http.get(content(file_id)).status == 403
    assert http.get(f"/uploads/{file_id}").status == 403
    assert http.request("POST", f"/files/{file_id}/links").status == 403
    assert http.request("DELETE", f"/files/{file_id}").status == 403
    assert tus.delete(f"/uploads/{file_id}").status == 403
    assert http.get(content(file_id, SHOWN)).body == CONTENT
    assert http.get(f"/uploads/{file_id}?{SHOWN}").body == CONTENT
    assert http.request("DELETE", f"/files/{file_id}?{SHOWN}").status == 204


# --- signed links


def test_a_signed_link_opens_the_file_to_whoever_has_it(gateway: Gateway) -> None:
    file_id = gateway.stored()
    link = link_to(gateway.anna.http, file_id)
    for http in (gateway.nobody, gateway.bert.http, gateway.anna.http):
        assert http.get(link).body == CONTENT
        part = http.get(link, ("Range", "bytes=-3"))
        assert (part.status, part.body) == (206, CONTENT[-3:])
        head = http.request("HEAD", link)
        assert (head.status, head.body, head.header("Content-Length")) == (200, b"", str(len(CONTENT)))
        assert http.get(link, ("If-None-Match", head.header("ETag") or "")).status == 304
    assert gateway.nobody.get(content(file_id)).status == 401


def test_a_link_lasts_seven_days_at_most(gateway: Gateway) -> None:
    file_id = gateway.stored()
    link = link_to(gateway.anna.http, file_id)
    expires = int(dict(parse_qsl(urlsplit(link).query))["expires"])
    assert 0 <= time.time() + 7 * 86400 - expires < 60
    for seconds in ("604801", "0", "-1", "-" + "9" * 15, "--1", "-", "1e3", "x", "", "9" * 16, "999999999999999"):
        answer = gateway.anna.http.request("POST", f"/files/{file_id}/links?seconds={seconds}")
        assert answer.status == 400, seconds
        if re.fullmatch("-?[0-9]{1,15}", seconds):
            assert answer.json()["detail"] == "a signed link lasts from a second to seven days"
        else:
            assert answer.json()["detail"].startswith("seconds: ")


def test_an_expired_link_is_gone(gateway: Gateway) -> None:
    link = link_to(gateway.anna.http, gateway.stored(), "seconds=1")
    assert gateway.nobody.get(link).status == 200
    time.sleep(1.1)
    for http in (gateway.nobody, gateway.anna.http):
        answer = http.get(link)
        assert (answer.status, answer.json()["code"]) == (410, "link_expired")
    altered = link.replace("signature=", "signature=A")
    assert gateway.nobody.get(altered).status == 403, "what was not signed has no time to be over"


def alterations(link: str, other_id: str) -> Iterator[str]:
    """``link`` altered in every part, and with parts that say the same twice or not at all."""
    path, _, query = link.partition("?")
    fields = dict(parse_qsl(query))
    expires, signature = int(fields["expires"]), fields["signature"]
    yield f"{content(other_id)}?{query}"
    yield f"{content(UNKNOWN)}?{query}"
    for time_ in (
        expires + 1,
        expires - 1,
        expires + 86400 * 365,
        0,
        -1,
        f"0{expires}",
        f"{expires}.0",
        "x",
        "",
        "٣" * 10,
    ):
        yield f"{path}?{urlencode({**fields, 'expires': time_})}"
    for place in range(len(signature)):
        letter = "B" if signature[place] == "A" else "A"
        yield f"{path}?{urlencode({**fields, 'signature': signature[:place] + letter + signature[place + 1 :]})}"
    for strange in (
        "",
        "=",
        signature + "=",
        signature[:-1],
        signature + "A",
        signature.swapcase(),
        "ü",
        "\0",
        "A" * 9000,
    ):
        yield f"{path}?{urlencode({**fields, 'signature': strange})}"
    for disposition in ("attachment", "inline", "", "Attachment", "x"):
        changed = {**fields, "disposition": disposition}
        if fields != changed:
            yield f"{path}?{urlencode(changed)}"
    for name, value in fields.items():
        rest = {key: value for key, value in fields.items() if key != name}
        yield f"{path}?{urlencode(rest)}"
        yield f"{path}?{query}&{urlencode({name: value})}"
        yield f"{path}?{urlencode({**rest, name.upper(): value})}"


@pytest.mark.parametrize("query", ["", "disposition=attachment"])
def test_a_link_altered_in_any_part_opens_nothing(gateway: Gateway, query: str) -> None:
    file_id, other_id = gateway.stored(), gateway.stored()
    link = link_to(gateway.anna.http, file_id, query)
    assert gateway.nobody.get(link).status == 200
    for altered in alterations(link, other_id):
        answer = gateway.nobody.get(altered)
        assert (answer.status, answer.json()["code"]) == (403, "link_altered"), altered
        assert CONTENT not in answer.body


def test_not_even_its_owner_opens_a_file_by_an_altered_link(gateway: Gateway) -> None:
    link = link_to(gateway.anna.http, gateway.stored())
    assert gateway.anna.http.get(link.replace("signature=", "signature=A")).status == 403


def test_a_link_is_dead_once_the_file_is_deleted(gateway: Gateway) -> None:
    file_id = gateway.stored()
    link = link_to(gateway.anna.http, file_id)
    assert gateway.anna.http.request("DELETE", f"/files/{file_id}").status == 204
    for http in (gateway.nobody, gateway.anna.http, gateway.bert.http):
        assert http.get(link).status == 404
        assert http.request("HEAD", link).status == 404


def test_a_link_is_for_reading(gateway: Gateway) -> None:
    file_id = gateway.stored()
    query = link_to(gateway.anna.http, file_id).partition("?")[2]
    for method in ("DELETE", "POST", "PUT", "PATCH"):
        assert gateway.bert.http.request(method, content(file_id, query)).status == 405
    assert gateway.bert.http.request("DELETE", f"/files/{file_id}?{query}").status == 404
    assert gateway.bert.http.request("POST", f"/files/{file_id}/links?{query}").status == 404
    assert gateway.bert.http.get(f"/files/{file_id}?{query}").status == 404
    assert gateway.anna.http.get(content(file_id)).body == CONTENT


def test_only_who_may_open_a_file_gets_a_link_to_it(gateway: Gateway) -> None:
    for file_id in (gateway.stored(), UNKNOWN):
        assert gateway.bert.http.request("POST", f"/files/{file_id}/links").status == 404
        assert gateway.nobody.request("POST", f"/files/{file_id}/links").status == 401


def test_links_outlive_the_server(start_server: StartServer) -> None:
    server = start_server(**GATEWAY)
    anna = Tus(as_user(Http(server.port), ANNA))
    link = link_to(anna.http, id_of(anna.completed(CONTENT)))
    server.restart()
    assert Http(server.port).get(link).body == CONTENT
    server.kill()
    server.env["LINK_SECRET"] = "another secret, long enough to be one"
    server.start()
    assert Http(server.port).get(link).status == 403


# --- what browsers do with it


def test_how_a_browser_shows_it_is_the_signers_word_alone(gateway: Gateway) -> None:
    file_id = gateway.stored()

    def disposition(answer: Response) -> str:
        assert answer.status == 200
        return (answer.header("Content-Disposition") or "").partition(";")[0]

    anna = gateway.anna.http
    assert disposition(anna.get(content(file_id))) == "inline"
    for unsigned in ("download=1", "disposition=attachment"):
        assert disposition(anna.get(content(file_id, unsigned))) == "inline"
    assert disposition(gateway.nobody.get(link_to(anna, file_id, "disposition=attachment"))) == "attachment"
    assert disposition(gateway.nobody.get(link_to(anna, file_id, "disposition=inline"))) == "inline"
    page = gateway.stored("a.html", "text/html")
    assert disposition(gateway.nobody.get(link_to(anna, page, "disposition=inline"))) == "attachment"
    for junk in ("x", "", "INLINE"):
        assert anna.request("POST", f"/files/{file_id}/links?disposition={junk}").status == 400


def test_pages_of_other_sites_show_only_what_the_link_alone_opens(gateway: Gateway) -> None:
    private, public = gateway.stored(), gateway.public()
    policy = "Cross-Origin-Resource-Policy"
    assert gateway.anna.http.get(content(private)).header(policy) == "same-origin"
    assert gateway.nobody.get(content(public)).header(policy) == "cross-origin"
    assert gateway.nobody.get(link_to(gateway.anna.http, private)).header(policy) == "cross-origin"
    assert gateway.nobody.get(content(public)).header("Referrer-Policy") == "no-referrer"


def test_every_verb_on_anothers_file_leaves_it_as_it_was(gateway: Gateway) -> None:
    for file_id in (gateway.stored(), gateway.public(), gateway.guarded()):
        for target in (f"/files/{file_id}", content(file_id), f"/files/{file_id}/links", f"/uploads/{file_id}"):
            for method in ("PUT", "PATCH", "DELETE", "POST", "OPTIONS"):
                headers: list[Header] = [VERSION, ("Upload-Offset", "0"), ("Content-Length", "0")]
                for override in ([], [("X-HTTP-Method-Override", "DELETE")]):
                    status = gateway.bert.http.request(method, target, [*headers, *override]).status
                    assert status in (204, 201, 400, 403, 404, 405, 415), (method, target)
        assert gateway.anna.http.get(content(file_id)).body == CONTENT
