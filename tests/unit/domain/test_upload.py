from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.access import Principal, user
from domain.byte_range import ByteRange, Extent
from domain.checksum import crc64nvme
from domain.errors import (
    BytesMissing,
    InconsistentLength,
    InvalidParts,
    LengthExceeded,
    LongshoreError,
    OffsetMismatch,
    QuotaExceeded,
    TooManyFiles,
    TooManyOpenUploads,
    UploadExpired,
    UploadGone,
    UploadIsFinal,
    UploadNotFound,
    UploadNotOpen,
    UploadTooLarge,
)
from domain.events import EventType
from domain.file_draft import FileDraft
from domain.ids import BlobKey, OwnerId, UploadId, file_id_of
from domain.receipt import Receipt
from domain.upload import Upload
from domain.upload_policy import UploadPolicy, Usage
from domain.upload_state import NEXT_STATES, UploadKind, UploadState

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
POLICY = UploadPolicy(max_length_bytes=1000)


def upload(length: int | None = 10, kind: UploadKind = UploadKind.WHOLE) -> Upload:
    return Upload(
        id=UploadId("a" * 32),
        owner=OwnerId("user:1"),
        length=length,
        draft=FileDraft.of(filename="a.txt"),
        created_at=NOW,
        updated_at=NOW,
        expires_at=NOW + POLICY.ttl,
        kind=kind,
    )


def stretch(start: int, end: int) -> Extent:
    return Extent(ByteRange(start, end), crc64nvme(bytes(end - start)))


def counted(one: Upload, *extents: Extent, in_order: bool = True, now: datetime = NOW) -> list[Receipt]:
    """Their receipts, each counted in as if it had been committed."""
    receipts = []
    for extent in extents:
        receipts.append(one.receipt(extent, now, POLICY, in_order=in_order))
        one.count(receipts[-1], now)
    return receipts


def test_what_is_not_committed_yet_does_not_count() -> None:
    one = upload()
    receipt = one.receipt(stretch(0, 10), NOW, POLICY, in_order=True)
    assert (one.state, one.offset) == (UploadState.PENDING, 0)
    one.count(receipt, NOW)
    assert (one.state, one.offset) == (UploadState.ASSEMBLING, 10)


def test_a_receipt_that_comes_late_moves_no_state_back() -> None:
    one = upload()
    early = one.receipt(stretch(5, 10), NOW, POLICY, in_order=False)
    counted(one, stretch(0, 10))
    one.count(early, NOW)
    assert (one.state, one.offset) == (UploadState.ASSEMBLING, 10)


def test_an_upload_lives_from_pending_to_completed() -> None:
    one = upload()
    assert counted(one, stretch(0, 4), now=NOW)[0].state is UploadState.RECEIVING
    assert counted(one, stretch(4, 6), now=NOW)[0].state is None
    assert counted(one, stretch(6, 10), now=NOW)[0].state is UploadState.ASSEMBLING
    one.assemble()
    file = one.complete(blob_key=BlobKey("k"), now=NOW)
    assert one.state is UploadState.COMPLETED
    assert (file.id, file.size, file.crc64) == (file_id_of(one.id), 10, crc64nvme(bytes(10)))


@pytest.mark.parametrize(
    ("length", "kind", "received", "expected"),
    [
        (10, UploadKind.WHOLE, [(0, 10)], True),
        (10, UploadKind.FINAL, [(0, 10)], True),
        (10, UploadKind.PARTIAL, [(0, 10)], False),
        (10, UploadKind.WHOLE, [(0, 9)], False),
        (10, UploadKind.WHOLE, [], False),
        (0, UploadKind.WHOLE, [], True),
        (None, UploadKind.WHOLE, [(0, 9)], True),
        (None, UploadKind.WHOLE, [(0, 3), (4, 9)], False),
    ],
)
def test_only_what_has_no_gaps_may_have_been_sealed(
    length: int | None, kind: UploadKind, received: list[tuple[int, int]], expected: bool
) -> None:
    one = upload(length, kind)
    for start, end in received:
        counted(one, stretch(start, end), in_order=False)
    assert one.may_be_sealed is expected


def test_no_state_is_left_but_along_the_table() -> None:
    verbs: dict[UploadState, Callable[[Upload], object]] = {
        UploadState.ASSEMBLING: Upload.assemble,
        UploadState.COMPLETED: lambda one: one.complete(blob_key=BlobKey("k"), now=NOW),
        UploadState.FAILED: lambda one: one.fail(NOW),
        UploadState.ABORTED: lambda one: one.abort(NOW),
        UploadState.EXPIRED: lambda one: one.expire(NOW),
    }
    for state, allowed in NEXT_STATES.items():
        for target, verb in verbs.items():
            one = upload(length=0)
            one.state = state
            if target in allowed or target is state:
                verb(one)
                assert one.state is target
            else:
                with pytest.raises(UploadNotOpen):
                    verb(one)
                assert one.state is state


def test_an_upload_with_missing_bytes_is_not_assembled() -> None:
    with pytest.raises(BytesMissing):
        upload().assemble()


@pytest.mark.parametrize(
    ("at", "announced", "error"),
    [
        (1, 1, OffsetMismatch),
        (0, 11, LengthExceeded),
        (0, 10, None),
        (0, 0, None),
        (0, None, None),
        (11, None, OffsetMismatch),
    ],
)
def test_bytes_are_taken_at_the_offset_and_up_to_the_length(
    at: int, announced: int | None, error: type[LongshoreError] | None
) -> None:
    if error is None:
        upload().check_append(at=at, announced=announced, policy=POLICY)
    else:
        with pytest.raises(error):
            upload().check_append(at=at, announced=announced, policy=POLICY)


def test_an_upload_of_unknown_length_ends_at_the_servers_limit() -> None:
    with pytest.raises(UploadTooLarge):
        upload(length=None).check_append(at=0, announced=1001, policy=POLICY)


def test_a_final_upload_takes_no_bytes() -> None:
    with pytest.raises(UploadIsFinal):
        upload(kind=UploadKind.FINAL).check_append(at=0, announced=0, policy=POLICY)


def test_a_deferred_length_is_told_once() -> None:
    one = upload(length=None)
    assert one.declare_length(10, POLICY)
    assert not one.declare_length(10, POLICY)
    with pytest.raises(InconsistentLength):
        one.declare_length(11, POLICY)


def test_a_length_below_what_has_been_received_is_refused() -> None:
    one = upload(length=None)
    counted(one, stretch(0, 5), now=NOW)[0]
    with pytest.raises(InconsistentLength):
        one.declare_length(4, POLICY)
    with pytest.raises(UploadTooLarge):
        one.declare_length(1001, POLICY)


def test_receiving_puts_the_expiry_off_at_most_once_a_minute() -> None:
    one = upload()
    assert counted(one, stretch(0, 1), now=NOW + timedelta(seconds=59))[0].expires_at is None
    later = NOW + timedelta(seconds=61)
    assert counted(one, stretch(1, 2), now=later)[0].expires_at == later + POLICY.ttl


def test_as_many_as_1024_written_extents_are_folded_into_one() -> None:
    one = upload(length=None)
    receipts = [counted(one, stretch(at, at + 1))[0] for at in range(2048)]
    assert [at for at, receipt in enumerate(receipts) if receipt.folds] == [1023, 2046]
    assert receipts[1023].extent.range == ByteRange(0, 1024)
    assert receipts[1023].extent.crc64 == crc64nvme(bytes(1024))
    assert receipts[1024].extent.range == ByteRange(1024, 1025)


def test_what_is_over_is_told_from_what_never_was() -> None:
    aborted, expired, late = upload(), upload(), upload()
    aborted.abort(NOW)
    expired.expire(NOW)
    with pytest.raises(UploadGone):
        aborted.check_here(NOW)
    with pytest.raises(UploadExpired):
        expired.check_here(NOW)
    with pytest.raises(UploadExpired):
        late.check_here(NOW + POLICY.ttl)


def test_a_completed_upload_does_not_expire() -> None:
    one = upload(length=0)
    one.assemble()
    one.complete(blob_key=BlobKey("k"), now=NOW)
    one.check_here(NOW + 10 * POLICY.ttl)


def test_someone_elses_upload_looks_like_none() -> None:
    upload().check_seen_by(user("1"))
    upload().check_seen_by(Principal(OwnerId("user:2"), is_admin=True))
    with pytest.raises(UploadNotFound):
        upload().check_seen_by(user("2"))


def test_only_whole_partial_uploads_are_parts() -> None:
    part = upload(kind=UploadKind.PARTIAL)
    with pytest.raises(InvalidParts):
        part.check_part()
    counted(part, stretch(0, 10))
    part.check_part()
    assert not part.becomes_file
    with pytest.raises(InvalidParts):
        upload(length=0).check_part()


def test_an_event_tells_how_the_upload_stands() -> None:
    one = upload()
    counted(one, stretch(0, 4), now=NOW)[0]
    event = one.event(EventType.PROGRESS, NOW)
    assert (event.upload_id, event.watch_id, event.filename) == (one.id, one.id, "a.txt")
    assert (event.offset, event.length, event.state) == (4, 10, "RECEIVING")


def test_the_policy_bounds_what_an_owner_holds() -> None:
    policy = replace(POLICY, max_open_uploads=2, max_files=3, max_bytes=100)
    policy.check_usage(Usage(open_uploads=2, files=3, bytes=100))
    with pytest.raises(TooManyOpenUploads):
        policy.check_usage(Usage(open_uploads=3, files=0, bytes=0))
    with pytest.raises(TooManyFiles):
        policy.check_usage(Usage(open_uploads=0, files=4, bytes=0))
    with pytest.raises(QuotaExceeded):
        policy.check_usage(Usage(open_uploads=0, files=0, bytes=101))
    assert policy.has_quota
    assert not UploadPolicy(max_open_uploads=None).has_quota
