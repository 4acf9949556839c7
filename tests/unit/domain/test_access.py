"""Who may open a file: its owner, whoever shows its credential, or whoever has a link that was signed."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.access import (
    ANYBODY,
    STRANGER,
    Credential,
    Disposition,
    DownloadToken,
    Principal,
    Visibility,
)
from domain.errors import (
    CredentialRefused,
    FileNotFound,
    InvalidChecksum,
    InvalidCredential,
    InvalidDetail,
    InvalidRequest,
    LinkExpired,
    LongshoreError,
)
from domain.file import File
from domain.ids import FileId
from tests.support.builders import ADMIN, ALICE, BOB, NOW, a_file, an_upload

KEY = {"k": "v", "n": "1"}
PUBLIC = Visibility.PUBLIC


def verdict(file: File, who: Principal, given: dict[str, str] | None = None) -> type[LongshoreError] | None:
    try:
        file.check_opened_by(who, given or {}, NOW)
    except LongshoreError as error:
        return type(error)
    return None


def test_credentials_are_equal_whatever_the_order_of_their_pairs() -> None:
    credential = Credential(KEY)
    assert credential == Credential(dict(reversed(KEY.items())))
    assert hash(credential) == hash(Credential(dict(KEY)))
    for other in (Credential({**KEY, "n": "2"}), Credential({"k": "v"}), Credential({**KEY, "o": ""}), KEY, None):
        assert credential != other


class TestOpening:
    @pytest.mark.parametrize("who", [ALICE, BOB, ADMIN, ANYBODY, STRANGER])
    def test_a_public_file_is_opened_by_everybody(self, who: Principal) -> None:
        assert verdict(a_file(owner=ALICE, visibility=PUBLIC), who) is None

    def test_a_private_file_is_its_owners_and_an_administrators(self) -> None:
        file = a_file(owner=ALICE)
        assert [verdict(file, who) for who in (ALICE, ADMIN)] == [None, None]

    @pytest.mark.parametrize("who", [BOB, ANYBODY, STRANGER])
    def test_a_private_file_looks_like_none_to_others(self, who: Principal) -> None:
        assert verdict(a_file(owner=ALICE), who, KEY) is FileNotFound

    @pytest.mark.parametrize("who", [ALICE, BOB, ADMIN, ANYBODY, STRANGER])
    def test_a_credential_opens_to_whoever_shows_it(self, who: Principal) -> None:
        assert verdict(a_file(owner=ALICE, credential=KEY), who, {**KEY, "other": "x"}) is None

    @pytest.mark.parametrize(
        "given",
        [{}, {"k": "v"}, {"k": "v", "n": "2"}, {"k": "V", "n": "1"}, {"n": "v", "k": "1"}, {"k ": "v", "n": "1"}],
    )
    def test_another_credential_opens_nothing(self, given: dict[str, str]) -> None:
        file = a_file(owner=ALICE, credential=KEY)
        assert [verdict(file, who, given) for who in (BOB, STRANGER)] == [CredentialRefused] * 2
        assert [verdict(file, who, given) for who in (ALICE, ADMIN)] == [None, None]

    def test_where_everybody_is_the_owner_the_credential_counts(self) -> None:
        guarded = a_file(owner=ANYBODY, credential=KEY)
        assert verdict(guarded, ANYBODY) is CredentialRefused
        assert verdict(guarded, ANYBODY, KEY) is None
        assert verdict(a_file(owner=ANYBODY), ANYBODY) is None

    def test_a_missing_value_is_no_empty_one(self) -> None:
        assert verdict(a_file(owner=ALICE, credential={"k": ""}), BOB) is CredentialRefused
        assert verdict(a_file(owner=ALICE, credential={"k": ""}), BOB, {"k": ""}) is None


class TestTakingAway:
    def test_only_the_owner_and_an_administrator_take_a_file_away(self) -> None:
        for file in (a_file(owner=ALICE), a_file(owner=ALICE, visibility=PUBLIC), a_file(owner=ALICE, credential=KEY)):
            file.check_changed_by(ALICE, {}, NOW)
            file.check_changed_by(ADMIN, {}, NOW)
            for who in (BOB, STRANGER, ANYBODY):
                with pytest.raises(FileNotFound):
                    file.check_changed_by(who, KEY, NOW)

    def test_where_everybody_is_the_owner_it_takes_the_credential(self) -> None:
        file = a_file(owner=ANYBODY, credential=KEY)
        with pytest.raises(CredentialRefused):
            file.check_changed_by(ANYBODY, {}, NOW)
        file.check_changed_by(ANYBODY, KEY, NOW)


class TestCredential:
    def test_an_empty_one_is_none(self) -> None:
        assert Credential.of({}) is None
        assert Credential.of(None) is None
        with pytest.raises(InvalidCredential):
            Credential({})

    @pytest.mark.parametrize(
        "values", [{"expires": "1"}, {"signature": "x", "k": "v"}, {"k": "v" * 20_000}, {str(n): "" for n in range(65)}]
    )
    def test_one_that_is_too_much_or_reads_as_a_link_is_refused(self, values: dict[str, str]) -> None:
        with pytest.raises(InvalidCredential):
            Credential.of(values)

    def test_it_is_not_told_by_accident(self) -> None:
        assert "v1" not in repr(a_file(credential={"k1": "v1"}))
        assert "k1" not in str(Credential.of({"k1": "v1"}))

    def test_odd_letters_are_compared_as_they_are(self) -> None:
        odd = {"Ü\0": "\ud800'\""}
        credential = Credential(odd)
        assert credential.is_shown_by(dict(odd))
        assert not credential.is_shown_by({"Ü\0": "\ud801'\""})


class TestToken:
    def test_it_lasts_a_second_to_seven_days(self) -> None:
        for life in (timedelta(seconds=1), timedelta(days=7)):
            token = DownloadToken.lasting(FileId("f"), life, NOW)
            assert timedelta(0) <= NOW + life - token.expires_at < timedelta(seconds=1)
        for life in (timedelta(0), timedelta(seconds=-1), timedelta(days=7, seconds=1)):
            with pytest.raises(InvalidRequest):
                DownloadToken.lasting(FileId("f"), life, NOW)

    def test_it_is_over_at_its_second(self) -> None:
        token = DownloadToken(FileId("f"), datetime(2026, 11, 20, tzinfo=UTC))
        token.check_time(token.expires_at - timedelta(microseconds=1))
        with pytest.raises(LinkExpired):
            token.check_time(token.expires_at)

    def test_each_part_is_in_the_message(self) -> None:
        moment = datetime(2026, 11, 20, tzinfo=UTC)
        tokens = [
            DownloadToken(FileId("a"), moment),
            DownloadToken(FileId("b"), moment),
            DownloadToken(FileId("a"), moment + timedelta(seconds=1)),
            DownloadToken(FileId("a"), moment, Disposition.INLINE),
            DownloadToken(FileId("a"), moment, Disposition.ATTACHMENT),
        ]
        assert len({token.message for token in tokens}) == len(tokens)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a.PDF", "public/{id}.pdf"),
        ("a.tar.gz", "public/{id}.gz"),
        ("a", "public/{id}"),
        (".bashrc", "public/{id}"),
        ("a.", "public/{id}"),
        ("a.ex e", "public/{id}"),
        ("a./../b", "public/{id}"),
        ("a." + "x" * 17, "public/{id}"),
    ],
)
def test_a_path_shows_visibility_and_extension_and_nothing_else_of_the_name(name: str, path: str) -> None:
    file = a_file(name=name, visibility=PUBLIC)
    assert file.shown_path == path.format(id=file.id)
    assert a_file(name=name, credential=KEY).shown_path.startswith("private/")


class TestUpload:
    def test_what_has_a_credential_is_private(self) -> None:
        upload = an_upload(visibility=PUBLIC, credential=KEY)
        assert upload.draft.visibility is Visibility.PRIVATE

    def test_too_much_detail_is_refused(self) -> None:
        with pytest.raises(InvalidDetail):
            an_upload(detail={"k": "v" * 20_000})

    @pytest.mark.parametrize("size", [0, 31, 33])
    def test_a_digest_of_another_size_is_refused(self, size: int) -> None:
        with pytest.raises(InvalidChecksum):
            an_upload(sha256=bytes(size))
        with pytest.raises(InvalidChecksum):
            an_upload(sha512=bytes(size))
