"""A client of the image receiver, written from its page alone; and pictures for it, no two alike unless asked for."""

import io
import json
import random
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import pillow_heif
from PIL import Image, ImageFilter

from tests.support.wire import Header, Http, WebSocket

FORMATS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "HEIC": "heic", "HEIF": "heif"}
READY = {"status": "ready", "message": "Ready to upload", "progress": 0}
TIMEOUT = {"status": "timeout", "message": "Connection timed out"}
Answer = dict[str, Any]


def picture(seed: int, format_: str = "JPEG", *, size: tuple[int, int] = (320, 240), **options: object) -> bytes:
    """One of ``seed`` looks the same in every format and size, and like no other."""
    draw = random.Random(seed)
    small = Image.frombytes("RGB", (9, 8), draw.randbytes(9 * 8 * 3))
    image = small.resize((360, 320), Image.Resampling.NEAREST).filter(ImageFilter.GaussianBlur(4)).resize(size)
    return encoded(image, format_, **options)


def encoded(image: Image.Image, format_: str, **options: object) -> bytes:
    out = io.BytesIO()
    if format_ in ("HEIC", "HEIF"):
        pillow_heif.from_pillow(image).save(out, **options)
        return out.getvalue() if format_ == "HEIC" else as_heif(out.getvalue())
    image.save(out, format_, **options)
    return out.getvalue()


def as_heif(heic: bytes) -> bytes:
    """The same, by the general brand alone."""
    size = int.from_bytes(heic[:4], "big")
    return heic[:8] + b"mif1" + heic[12:16] + heic[16:size].replace(b"heic", b"miaf") + heic[size:]


def padded(jpeg: bytes, size: int) -> bytes:
    """The same picture with bytes behind its end, as programs append them."""
    return jpeg + bytes(size - len(jpeg))


class ImageClient:
    """One socket of one session."""

    def __init__(self, http: Http, *headers: Header, user_id: str | None = None, session_id: str | None = None) -> None:
        self.user_id = user_id or str(uuid.uuid4())
        self.session_id = session_id or str(uuid.uuid4())
        self.socket = WebSocket.open(http, "/image/upload", *headers)

    @property
    def _session(self) -> Mapping[str, str]:
        return {"user_id": self.user_id, "session_id": self.session_id}

    def begin(self, index: int, *, name: str = "a.jpg", **more: object) -> Answer:
        self.socket.send_json({"action": "upload", "file_idx": index, "file_name": name, **self._session, **more})
        return self.answer()

    def send(self, data: bytes, *, frame: int = 64 * 1024) -> list[Answer]:
        """All of it, each frame's answer awaited; up to the first refusal."""
        answers = []
        for at in range(0, len(data), frame):
            self.socket.send_bytes(data[at : at + frame])
            answers.append(self.answer())
            if answers[-1]["status"] != "uploading":
                break
        return answers

    def upload(self, index: int, data: bytes, *, frame: int = 64 * 1024, name: str = "a.jpg") -> Answer:
        """As the seed's clients do; what came of it."""
        answer = self.begin(index, name=name)
        if answer["status"] != "ready":
            return answer
        assert answer == READY
        answers = self.send(data, frame=frame)
        if answers[-1]["status"] != "uploading":
            return answers[-1]
        self.socket.send_bytes(b"EOF")
        return self.answer()

    def delete(self, name: str, **more: object) -> Answer:
        self.socket.send_json({"action": "delete", "file_idx": 0, "file_name": name, **self._session, **more})
        return self.answer()

    def say(self, text: str) -> Answer:
        self.socket.send_frame(0x1, text.encode())
        return self.answer()

    def answer(self, *, within: float = 20.0) -> Answer:
        for message in self.socket.messages(within=within):
            answer: Answer = message
            assert "Traceback" not in json.dumps(answer)
            return answer
        raise AssertionError(f"no answer; closed with {self.socket.close_code}")

    def close_code(self, *, within: float = 20.0) -> int | None:
        """Read on to the end."""
        for _ in self.socket.messages(within=within):
            pass
        return self.socket.close_code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
