"""Photos to draw thumbnails of: made by the run, as large and about as busy as a phone's."""

import random
from collections.abc import Mapping
from pathlib import Path

import pillow_heif
from PIL import Image, ImageChops, ImageFilter

_SEED = 6
_GRAIN = 5  # what a sensor adds: without it, nothing would be there to decode
_TILE = 512  # how phones cut a HEIC into pieces


def make_photos(folder: Path, size: tuple[int, int]) -> Mapping[str, Path]:
    """One file of each format, by its name; made once."""
    pillow_heif.register_heif_opener()
    options: Mapping[str, Mapping[str, int]] = {
        "JPEG": {"quality": 90},
        "PNG": {"compress_level": 6},
        "WEBP": {"quality": 85},
        "HEIC": {"quality": 45, "tile_size": _TILE},
    }
    paths = {name: folder / f"photo-{size[0]}.{name.lower()}" for name in options}
    if not all(path.exists() for path in paths.values()):
        photo = _photo(*size)
        for name, path in paths.items():
            photo.save(path, "HEIF" if name == "HEIC" else name, **options[name])
    return paths


def _photo(width: int, height: int) -> Image.Image:
    """Large soft areas, detail on them, and grain on all of it."""
    chance = random.Random(_SEED)
    grain = Image.effect_noise((width, height), _GRAIN)
    return Image.merge("RGB", [ImageChops.add(_band(width, height, chance), grain, 1, -128) for _ in range(3)])


def _band(width: int, height: int, chance: random.Random) -> Image.Image:
    areas = _noise(width // 40, height // 40, chance).filter(ImageFilter.GaussianBlur(1.5))
    detail = _noise(width // 4, height // 4, chance)
    return Image.blend(
        areas.resize((width, height), Image.Resampling.BICUBIC),
        detail.resize((width, height), Image.Resampling.BILINEAR),
        0.12,
    )


def _noise(width: int, height: int, chance: random.Random) -> Image.Image:
    return Image.frombytes("L", (width, height), chance.randbytes(width * height))
