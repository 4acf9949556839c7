"""What can go wrong for a client.

ClientError
├── ServerAway        nobody answered for as long as we were willing to wait
├── Refused           the server said no, and why
│   ├── NotAllowed    401, 403
│   └── NotFound      404, 410
├── FileChanged       the local file changed while it was sent
├── SentElsewhere     another process of this machine sends the same file there
├── BrokenOff         an upload that was watched ended without a file
└── Different         what arrived is not what was sent
"""


class ClientError(Exception):
    """``code`` is stable; the words are for people."""

    code = "client_error"


class ServerAway(ClientError):
    code = "server_away"


class Refused(ClientError):
    """``code`` is the server's, where it told one."""

    def __init__(self, status: int, detail: str, *, code: str = "", request_id: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.retry_after = 0.0
        """Seconds, as the server asked for."""
        self.scheme = ""
        """How who calls is to be said (``Bearer``: by a token), where that is what is missing."""
        self.code = code or f"status_{status}"
        self.request_id = request_id


class NotAllowed(Refused):
    pass


class NotFound(Refused):
    pass


class FileChanged(ClientError):
    code = "file_changed"


class SentElsewhere(ClientError):
    code = "sent_elsewhere"


class BrokenOff(ClientError):
    code = "broken_off"


class Different(ClientError):
    code = "different"
