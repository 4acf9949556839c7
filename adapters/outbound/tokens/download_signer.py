"""Download links signed with a secret of this installation. Contract: tests/contract/test_download_signer.py."""

import hashlib
import hmac
from base64 import urlsafe_b64encode

from domain.access import DownloadToken
from domain.errors import LinkAltered
from ports.download_signer import DownloadSigner


class HmacDownloadSigner(DownloadSigner):
    """HMAC-SHA256. Whoever knows ``secret`` can sign; another secret makes every link given out so far void."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, token: DownloadToken) -> str:
        digest = hmac.new(self._secret, token.message, hashlib.sha256).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")

    def verify(self, token: DownloadToken, signature: str) -> None:
        # The letters are compared, not the bytes: several spellings of these would pass for one.
        if not hmac.compare_digest(self.sign(token).encode(), signature.encode("utf-8", "replace")):
            raise LinkAltered("this link was not signed here")
