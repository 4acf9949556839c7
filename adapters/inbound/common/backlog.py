"""What waits for a slow reader: the newest of each key, in the order of its making, and no more than it may weigh."""


class Backlog:
    __slots__ = ("_waiting", "leaving", "max_bytes", "size")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size = 0
        """Bytes that wait here."""
        self.leaving = 0
        """Bytes that have been taken from here, and that the reader has not got yet either."""
        self._waiting: dict[str, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, key: str, text: bytes) -> bool:
        """Hold ``text`` in the place of what is older of its key; False once the reader has left too much unread."""
        # Taken out and put in at the end: what waits goes out in the order of its making.
        self.size += len(text) - len(self._waiting.pop(key, b""))
        self._waiting[key] = text
        return self.size + self.leaving <= self.max_bytes

    def take(self) -> bytes:
        """The oldest there is."""
        text = self._waiting.pop(next(iter(self._waiting)))
        self.size -= len(text)
        return text

    def take_all(self) -> bytes:
        texts = b"".join(self._waiting.values())
        self.clear()
        return texts

    def clear(self) -> None:
        self._waiting.clear()
        self.size = 0
