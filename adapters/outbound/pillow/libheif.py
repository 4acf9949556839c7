"""libheif as it is, for two things that pillow-heif keeps from us.

It can hand over what a picture is stored as: its brightness, and its colours at half the size, which together are half
as much as red, green and blue. And it can be strict: else a picture of which a tile is missing has a hole, and is well.
The library is the one that pillow-heif brings.
"""

import ctypes
from functools import cache
from importlib.util import find_spec
from typing import NamedTuple

from adapters.outbound.pillow.picture import Size

# Of libheif/heif_error.h: codes, and what is said more closely of one
_NO_MEMORY, _NO_PROFILE = 6, 10
_OVER_ITS_LIMIT = 1000
_UNKNOWN_COLOURS = (133, 134, 135)  # by a number that nobody knows
UNTOLD = 2
"""For a matrix."""
_BITS = 8  # of each value
_OPTIONS_VERSION = 10  # from which on all options below are known


class Pixels(NamedTuple):
    """How they are wanted: libheif's numbers of colour space, chroma and channels."""

    space: int
    chroma: int
    channels: tuple[int, ...]


GREY = Pixels(2, 0, (0,))
RGB = Pixels(1, 10, (10,))
RGBA = Pixels(1, 11, (10,))
HALVED = Pixels(0, 1, (0, 1, 2))
"""Brightness, and the two colours (Cb, Cr) at half its width and height."""


class Plane(NamedTuple):
    data: memoryview
    stride: int
    size: Size


class Decoded(NamedTuple):
    """``matrix``: how brightness and colours were made of red, green and blue, by its number in ITU-T H.273, table 4.
    ``full_range``: black is 0 and not 16."""

    planes: tuple[Plane, ...]
    matrix: int
    full_range: bool


class NotReachable(Exception):
    """libheif, or what this picture needs of it."""


class _Error(ctypes.Structure):
    _fields_ = (("code", ctypes.c_int), ("subcode", ctypes.c_int), ("message", ctypes.c_char_p))


class _Nclx(ctypes.Structure):
    _fields_ = (
        ("version", ctypes.c_uint8),
        ("primaries", ctypes.c_int),
        ("transfer", ctypes.c_int),
        ("matrix", ctypes.c_int),
        ("full_range", ctypes.c_uint8),
    )


class _Options(ctypes.Structure):
    """heif_decoding_options, version 10."""

    _fields_ = (
        ("version", ctypes.c_uint8),
        ("ignore_transformations", ctypes.c_uint8),
        ("progress", ctypes.c_void_p * 4),
        ("convert_hdr_to_8bit", ctypes.c_uint8),
        ("strict_decoding", ctypes.c_uint8),
        ("decoder_id", ctypes.c_char_p),
        ("conversion", ctypes.c_int * 4),
        ("cancel_decoding", ctypes.c_void_p),
        ("conversion_ext", ctypes.c_void_p),
        ("ignore_sequence_editlist", ctypes.c_int),
        ("output_nclx", ctypes.c_void_p),
        ("threads", ctypes.c_int * 2),
        ("autocorrect_broken_input", ctypes.c_uint8),
        ("output_nclx_passthrough", ctypes.c_uint8),
    )


_P, _INT = ctypes.c_void_p, ctypes.c_int
_FUNCTIONS = {
    "heif_context_alloc": (_P,),
    "heif_context_free": (None, _P),
    "heif_context_read_from_memory_without_copy": (_Error, _P, ctypes.c_char_p, ctypes.c_size_t, _P),
    "heif_context_set_max_decoding_threads": (None, _P, _INT),
    "heif_context_get_primary_image_handle": (_Error, _P, _P),
    "heif_image_handle_get_width": (_INT, _P),
    "heif_image_handle_get_height": (_INT, _P),
    "heif_image_handle_release": (None, _P),
    "heif_decoding_options_alloc": (ctypes.POINTER(_Options),),
    "heif_decoding_options_free": (None, _P),
    "heif_decode_image": (_Error, _P, _P, _INT, _INT, _P),
    "heif_image_release": (None, _P),
    "heif_image_get_nclx_color_profile": (_Error, _P, _P),
    "heif_nclx_color_profile_free": (None, _P),
    "heif_image_get_width": (_INT, _P, _INT),
    "heif_image_get_height": (_INT, _P, _INT),
    "heif_image_get_bits_per_pixel_range": (_INT, _P, _INT),
    "heif_image_get_plane_readonly": (_P, _P, _INT, _P),
}
"""Each with its result and its arguments."""


def decode(data: bytes, size: Size, wanted: Pixels, threads: int) -> Decoded:
    """The primary image of a file, whole and turned upright, eight bits a value. ``size``: what its header says.

    Raises:
        NotReachable: or the image of that header is another one.
        MemoryError
        ValueError: it is damaged.
    """
    heif = _library()
    context, handle, image = _P(heif.heif_context_alloc()), _P(), _P()
    options = heif.heif_decoding_options_alloc()
    try:
        if options.contents.version < _OPTIONS_VERSION:
            raise NotReachable
        options.contents.convert_hdr_to_8bit = True
        options.contents.strict_decoding = True
        options.contents.output_nclx_passthrough = True
        _check(heif.heif_context_read_from_memory_without_copy(context, data, len(data), None))
        heif.heif_context_set_max_decoding_threads(context, threads)
        _check(heif.heif_context_get_primary_image_handle(context, ctypes.byref(handle)))
        if size != (heif.heif_image_handle_get_width(handle), heif.heif_image_handle_get_height(handle)):
            raise NotReachable
        _check(heif.heif_decode_image(handle, ctypes.byref(image), wanted.space, wanted.chroma, options))
    finally:
        heif.heif_decoding_options_free(options)
        heif.heif_image_handle_release(handle)
        heif.heif_context_free(context)
    owner = _Image(heif, image)
    return Decoded(tuple(owner.plane(channel) for channel in wanted.channels), *owner.colours())


class _Image:
    """Kept by each of its planes, and gone with the last one."""

    def __init__(self, heif: ctypes.CDLL, image: ctypes.c_void_p) -> None:
        self._heif = heif
        self._image = image

    def __del__(self) -> None:
        self._heif.heif_image_release(self._image)

    def plane(self, channel: int) -> Plane:
        stride = _INT()
        address = self._heif.heif_image_get_plane_readonly(self._image, channel, ctypes.byref(stride))
        if not address or self._heif.heif_image_get_bits_per_pixel_range(self._image, channel) != _BITS:
            raise NotReachable
        width = self._heif.heif_image_get_width(self._image, channel)
        height = self._heif.heif_image_get_height(self._image, channel)
        data = (ctypes.c_ubyte * (stride.value * height)).from_address(address)
        data.owner = self  # which lives as long
        return Plane(memoryview(data), stride.value, (width, height))

    def colours(self) -> tuple[int, bool]:
        nclx = ctypes.POINTER(_Nclx)()
        error = self._heif.heif_image_get_nclx_color_profile(self._image, ctypes.byref(nclx))
        if error.code == _NO_PROFILE:
            return UNTOLD, True
        _check(error)
        try:
            return nclx.contents.matrix, bool(nclx.contents.full_range)
        finally:
            self._heif.heif_nclx_color_profile_free(nclx)


def _check(error: _Error) -> None:
    if error.subcode in _UNKNOWN_COLOURS:
        raise NotReachable
    if error.code == _NO_MEMORY and error.subcode != _OVER_ITS_LIMIT:
        raise MemoryError
    if error.code:
        raise ValueError(error.message)


@cache
def _library() -> ctypes.CDLL:
    spec = find_spec("_pillow_heif")
    try:
        heif = ctypes.CDLL(spec.origin if spec else None)  # and with it the libraries that it needs
        for name, (result, *arguments) in _FUNCTIONS.items():
            function = getattr(heif, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        raise NotReachable from None
    return heif
