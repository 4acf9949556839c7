"""Vouches for download links. Contract: tests/contract/test_download_signer.py."""

from abc import abstractmethod
from typing import Protocol

from domain.access import DownloadToken


class DownloadSigner(Protocol):
    @abstractmethod
    def sign(self, token: DownloadToken) -> str:
        """A signature over all the token says, in letters that need no escape in a URL."""

    @abstractmethod
    def verify(self, token: DownloadToken, signature: str) -> None:
        """Return if ``signature`` is the token's, in a time that tells nothing of it.

        Raises:
            LinkAltered: it is not, to the letter.
        """
