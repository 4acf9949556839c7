"""The chunked coding comes in pieces of any size, and is the same body however it was cut."""

from adapters.inbound.http.engine.wire.chunked import ChunkedDecoder

BODY = b'5;a="b;c"\r\nhello\r\n00B\r\n, world\r\n!\n\r\n0;x\r\nX-Checksum: abc\r\nX-Empty:\r\n\r\n'
DATA = b"hello, world\r\n!\n"


def decoded(pieces: list[bytes]) -> tuple[bytes, bytes, ChunkedDecoder]:
    decoder, data, behind = ChunkedDecoder(), b"", b""
    for piece in pieces:
        blocks, rest = decoder.decode(piece)
        data += b"".join(blocks)
        behind += rest
    return data, behind, decoder


def test_it_may_be_cut_anywhere() -> None:
    text = BODY + b"GET /next"
    for size in range(1, len(text) + 1):
        data, behind, decoder = decoded([text[start : start + size] for start in range(0, len(text), size)])
        assert (data, decoder.has_ended, decoder.fault, behind) == (DATA, True, None, b"GET /next"), size


def test_it_has_not_ended_before_its_end() -> None:
    for end in range(len(BODY)):
        data, behind, decoder = decoded([BODY[:end]])
        assert (decoder.has_ended, decoder.fault, behind) == (False, None, b""), end
        assert DATA.startswith(data)


def test_what_came_before_a_fault_is_given() -> None:
    data, _, decoder = decoded([b"5\r\nhello\r\nnonsense\r\n"])
    assert data == b"hello"
    assert decoder.fault is not None
    assert not decoder.has_ended


def test_a_line_without_an_end_is_not_waited_for() -> None:
    _, _, decoder = decoded([b"5;" + b"x" * 1000] * 17)
    assert decoder.fault is not None


def test_extensions_are_bounded_by_the_data_they_come_with() -> None:
    """However many there are; yet a long body may say something with each of its chunks."""
    extension = b";chunk-signature=" + b"0" * 64
    large = b"10000" + extension + b"\r\n" + bytes(65536) + b"\r\n"
    assert decoded([large] * 400)[2].fault is None
    small = b"1" + extension + b"\r\nx\r\n"
    assert decoded([small] * 400)[2].fault is not None


def test_chunks_of_one_byte_are_no_fault() -> None:
    data, _, decoder = decoded([b"1\r\nx\r\n" * 50_000])
    assert (len(data), decoder.fault) == (50_000, None)
