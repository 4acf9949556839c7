"""Each product, from POST to DONE, on pictures as phones and programs make them; finer: tests/adapters/pillow."""

import functools
from typing import Any

import pytest
from PIL import Image, ImageOps

from domain.picture import PictureFormat
from tests.e2e.conftest import StartServer
from tests.e2e.test_form_upload import file_part
from tests.e2e.test_instructions import add, data_of, file_of, made, over, post
from tests.e2e.test_owners import ANNA, as_user
from tests.support.pictures import BLUE, GREEN, RED, YELLOW, close_to, encoded, exif, fields, opened, quarters
from tests.support.processes.server import ServerProcess
from tests.support.wire import Http

JPEG, PNG, WEBP, HEIC = PictureFormat.JPEG, PictureFormat.PNG, PictureFormat.WEBP, PictureFormat.HEIC
FORMATS = (JPEG, PNG, WEBP, HEIC)
PHOTO = Image.blend(quarters(600, 400), Image.effect_noise((600, 400), 60).convert("RGB"), 0.04)
UPRIGHT = (BLUE, RED, YELLOW, GREEN)  # what EXIF says to turn to the right


@pytest.fixture(scope="module")
def module_server(start_module_server: StartServer) -> ServerProcess:
    return start_module_server()


@functools.cache
def pictures() -> dict[PictureFormat, bytes]:
    """Not when this file is only read: drawing takes as long as a start of the server."""
    return {format_: encoded(PHOTO, format_, exif=exif(6), quality=92) for format_ in FORMATS}


@pytest.fixture
def anna(http: Http) -> Http:
    return as_user(http, ANNA)


@pytest.mark.parametrize(
    ("product", "parameters", "formats", "size"),
    [
        ("compress", {}, (JPEG, PNG, WEBP, JPEG), (400, 600)),
        ("convert", {}, (JPEG, JPEG, JPEG, JPEG), (400, 600)),
        ("convert", {"format": "webp", "quality": 60}, (WEBP, WEBP, WEBP, WEBP), (400, 600)),
        ("resize", {"width": 200}, (JPEG, PNG, WEBP, JPEG), (200, 300)),
        ("resize", {"width": 90, "height": 90, "fit": "cover"}, (JPEG, PNG, WEBP, JPEG), (90, 90)),
        ("thumbnails", {"box": 100}, (JPEG, JPEG, JPEG, JPEG), (67, 100)),
        ("strip-metadata", {}, FORMATS, (400, 600)),
    ],
)
def test_each_product_makes_of_each_picture_what_it_says(
    anna: Http, product: str, parameters: dict[str, Any], formats: tuple[PictureFormat, ...], size: tuple[int, int]
) -> None:
    parts = [file_part(data, f"sea.{format_.extension}", "image/any") for format_, data in pictures().items()]
    instruction_id = made(anna, f"images/{product}", **parameters)
    pairs = data_of(add(anna, instruction_id, *parts))["details"]
    for pair, format_, original in zip(pairs, formats, pictures().values(), strict=True):
        told = over(anna, pair["output"])
        assert (told["status"], told["error"]) == ("DONE", None), told
        assert (told["mime_type"], told["file_name"]) == (format_.media_type, f"sea.{format_.extension}")
        body = file_of(anna, told).body
        seen = ImageOps.exif_transpose(opened(body))
        assert seen.size == size
        assert all(close_to(*each, 40) for each in zip(fields(seen), UPRIGHT, strict=True))
        assert b"Longshore" not in body and set(opened(body).getexif()) <= {0x0112}
        assert product != "compress" or len(body) < len(original)


def test_what_is_no_parameter_of_a_product_is_refused_in_words(anna: Http) -> None:
    wanted = {"product_id": "images/resize", "parameters": {"width": 99999}}
    answer = post(anna, "/instructions", wanted)
    assert (answer.status, answer.json()["message"]) == (400, "width is not between 1 and 16383")
