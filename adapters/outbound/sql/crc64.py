"""A CRC-64 as the databases keep it: the signed number of the same 64 bits. The standard library is enough here."""


def signed(crc64: int | None) -> int | None:
    return crc64 - (1 << 64) if crc64 is not None and crc64 >> 63 else crc64


def unsigned(crc64: int | None) -> int | None:
    return crc64 + (1 << 64) if crc64 is not None and crc64 < 0 else crc64
