"""``longshore``: whichever side a verb is of, whoever errs is told of all of them."""

import pytest

from infrastructure.cli import main as starter
from longshore.client.verbs import VERBS
from longshore.command import main


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 2) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == code
    told = capsys.readouterr()
    return told.err if code else told.out


def test_a_verb_that_there_is_not_is_answered_with_those_of_both_sides(capsys: pytest.CaptureFixture[str]) -> None:
    for told in (said(capsys, "blah"), said(capsys, "--help", code=0)):
        assert {verb for verb in ("serve", "doctor", *VERBS) if verb not in told} == set()
    with pytest.raises(SystemExit):
        starter(["blah"])
    assert "put" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--patience", "1s", "ls"), ("--json", "put", "a")], ids=" ".join)
def test_an_option_before_its_verb_is_told_where_it_goes(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    verb = next(word for word in words if word in VERBS)
    assert said(capsys, *words) == f"longshore: options come after their verb: longshore {verb} {words[0]} …\n"


def test_where_a_server_is_looked_for_is_told_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGSHORE_URL", "http://set.example")
    told = said(capsys, "put", "--help", code=0)
    assert "set.example" not in told and "http://127.0.0.1:8888" in told
