"""What every download signer promises (ports/download_signer.py)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest

from domain.access import Disposition, DownloadToken
from domain.errors import LinkAltered
from domain.ids import FileId
from ports.download_signer import DownloadSigner
from tests.support.builders import NOW, an_id

TOKEN = DownloadToken(FileId(an_id()), NOW.replace(microsecond=0), Disposition.INLINE)

SignerFactory = Callable[[bytes], DownloadSigner]


def refuses(signer: DownloadSigner, token: DownloadToken, signature: str) -> bool:
    try:
        signer.verify(token, signature)
    except LinkAltered:
        return True
    return False


class DownloadSignerSuite:
    """Wants a fixture ``factory``, which makes the signer of a secret."""

    @pytest.fixture
    def signer(self, factory: SignerFactory) -> DownloadSigner:
        return factory(b"a secret")

    def test_what_was_signed_is_verified_by_every_process_with_the_secret(
        self, signer: DownloadSigner, factory: SignerFactory
    ) -> None:
        signature = signer.sign(TOKEN)
        signer.verify(TOKEN, signature)
        factory(b"a secret").verify(TOKEN, signature)
        assert quote(signature, safe="") == signature

    @pytest.mark.parametrize(
        "other",
        [
            replace(TOKEN, file_id=FileId(an_id())),
            replace(TOKEN, expires_at=TOKEN.expires_at + timedelta(seconds=1)),
            replace(TOKEN, disposition=Disposition.ATTACHMENT),
            replace(TOKEN, disposition=None),
        ],
    )
    def test_another_token_needs_another_signature(self, signer: DownloadSigner, other: DownloadToken) -> None:
        assert refuses(signer, other, signer.sign(TOKEN))

    def test_a_signature_altered_in_any_letter_is_refused(self, signer: DownloadSigner) -> None:
        signature = signer.sign(TOKEN)
        for place in range(len(signature)):
            for letter in "AQgwx-_0":
                altered = signature[:place] + letter + signature[place + 1 :]
                assert refuses(signer, TOKEN, altered) == (altered != signature)

    @pytest.mark.parametrize("strange", ["", "A", "=", "\0", "\ud800", "ü" * 43, "A" * 10_000])
    def test_what_is_no_signature_is_refused(self, signer: DownloadSigner, strange: str) -> None:
        assert refuses(signer, TOKEN, strange)
        right = signer.sign(TOKEN)
        for around in (right + "=", " " + right, right[:-1], right.swapcase()):
            assert refuses(signer, TOKEN, around)

    def test_another_secret_is_another_signature(self, signer: DownloadSigner, factory: SignerFactory) -> None:
        assert refuses(factory(b"a secret."), TOKEN, signer.sign(TOKEN))
