"""Colours as every screen shows them: sRGB, and white where a picture is transparent."""

import io

from PIL import Image

_WHITE = (255, 255, 255)


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """In mode RGB, without regard to its alpha. A profile that is broken, or for another kind of picture, is none."""
    plain = profile and _by_profile(image, profile)
    return plain or (image if image.mode == "RGB" else image.convert("RGB"))


def flattened(image: Image.Image, colours: Image.Image) -> Image.Image:
    """``colours`` as seen through the alpha of ``image`` on white paper."""
    if image.mode != "RGBA":
        return colours
    paper = Image.new("RGB", image.size, _WHITE)
    paper.paste(colours, mask=image.getchannel("A"))
    return paper


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    from PIL import ImageCms  # most pictures need none

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "RGB":
            image = image.convert("RGB")  # grey that is measured in somebody's red, green and blue
        if space != {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}.get(image.mode):
            return None
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
