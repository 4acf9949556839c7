"""The one thing of EXIF that matters to a thumbnail: which way is up."""

import struct

_ORIENTATION = 0x0112
_SHORT = 3


def orientation(exif: object) -> int:
    """1 to 8, as EXIF counts; 1, upright, for whatever is missing, broken or nonsense.

    Of the first directory alone, entry by entry: there is nothing that could send a reader round in circles.
    """
    if not isinstance(exif, bytes):
        return 1
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, start)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", tiff, start + 2 + 12 * entry)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:  # it breaks off
        pass
    return 1
