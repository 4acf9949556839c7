"""Contract of ports/download_signer.py."""

import pytest

from adapters.outbound.tokens.download_signer import HmacDownloadSigner
from ports.download_signer import DownloadSigner
from tests.contract.suites.download_signer import DownloadSignerSuite, SignerFactory


@pytest.fixture
def factory() -> SignerFactory:
    def signer_of(secret: bytes) -> DownloadSigner:
        return HmacDownloadSigner(secret)

    return signer_of


class TestDownloadSigner(DownloadSignerSuite):
    """All of it."""
