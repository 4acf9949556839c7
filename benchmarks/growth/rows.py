"""Rows as a store has them after a year of use, in the proportions of real use, made by the database itself.

Of ``many`` files a fifth is one owner's (``WHALE``), the others are those of ``many / 100`` owners. Two in five are
pictures with three thumbnails, one in fifty shares another's bytes. Beside them, in per cent of ``many``: 1 of
uploads are open, 2 left no file a few hours ago, 2 of instructions with five details each, 1 of notifications, and
few of what lives for minutes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

WHALE = "0123456789abcdef01234567"
"""The id of the user whose lists are measured."""
RARE = "application/x-rare"
_YEAR = 365 * 86_400
_NAMES = '[["filename", "UGhvdG8uanBn"], ["filetype", "aW1hZ2UvanBlZw=="]]'
_WHOSE = "CASE n % 5 WHEN 0 THEN 'user:{whale}' ELSE 'user:' || substr({owner}, 1, 24) END"


@dataclass(frozen=True, slots=True)
class Dialect:
    """``digest``: 32 hexadecimal digits of a text. ``instant``: of seconds from now."""

    series: str
    digest: str
    blob: str
    instant: str

    def id(self, kind: str, of: str = "n") -> str:
        return self.digest.format(f"'{kind}' || ({of})")


# digest() and blob() are functions that stores.py has SQLite call.
SQLITE = Dialect(
    series="WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {0})",
    digest="digest({0})",
    blob="blob({0})",
    instant=(
        "strftime('%Y-%m-%d %H:%M:%S', strftime('%s', 'now') + CAST({0} AS INTEGER), 'unixepoch')"
        " || '.' || substr(1000000 + n % 1000000, 2)"
    ),
)
POSTGRESQL = Dialect(
    series="WITH numbers (n) AS (SELECT n FROM generate_series(1::bigint, {0}) AS n)",
    digest="md5({0})",
    blob="decode(md5({0}) || md5({0}), 'hex')",
    instant="now() + ({0}) * interval '1 second' + (n % 1000000) * interval '1 microsecond'",
)


def statements(dialect: Dialect, many: int) -> Iterator[str]:
    """In an order in which each row refers to those before it."""
    d = dialect
    whose = _WHOSE.format(whale=WHALE, owner=d.id("o", f"n * 7919 % {max(many // 100, 5)}"))
    others = f"'user:' || substr({d.id('o', 'n')}, 1, 24)"
    shown = max(many // 100, 100)  # as many as a page shows are there in any case
    digest = d.blob.format("'s' || n")
    # Of two that share their bytes one is the next one's.
    file, size = d.id("f"), "1 + (CASE n % 50 WHEN 1 THEN n + 1 ELSE n END) * 2654435 % 4000000"
    made = f"(n - {many}) * {_YEAR / many:.6f} - 7200"
    name = "'Photo ' || (n * 48271 % 999983) || '.jpg'"
    media_type = (
        f"CASE WHEN n % 50000 = 5 THEN '{RARE}' WHEN n % 10 IN (0, 1, 2, 3) THEN 'image/jpeg'"
        " WHEN n % 10 < 6 THEN 'video/mp4' WHEN n % 10 < 8 THEN 'application/pdf' ELSE 'text/plain' END"
    )

    def insert(table: str, columns: str, values: str, count: int, where: str = "") -> str:
        series = d.series.format(max(count, 1))
        return f"INSERT INTO {table} ({columns}) {series} SELECT {values} FROM numbers {where}"  # noqa: S608 -- ours

    yield insert(
        "files",
        "id, owner, name, folded_name, path, media_type, size, crc64, sha256, blob_key, created_at, expires_at",
        f"{file}, {whose}, {name}, lower({name}), CASE n % 5 WHEN 3 THEN 'Holidays/2026/' || {name} END, {media_type},"
        f" {size}, n * 1099511628211, {digest},"
        f" CASE n % 50 WHEN 1 THEN {d.id('f', 'n + 1')} ELSE {file} END, {d.instant.format(made)},"
        f" CASE n % 100 WHEN 50 THEN {d.instant.format(30 * 86_400)} END",
        many,
    )
    uploads = "id, owner, watch_id, kind, state, length, metadata, parts, created_at, updated_at, expires_at, sha256"
    watched = f"CASE n % 20 WHEN 7 THEN {d.id('w')} ELSE {{0}} END"
    yield insert(
        "uploads",
        uploads,
        f"{file}, {whose}, {watched.format(file)}, 'whole', 'COMPLETED', {size}, '{_NAMES}', '[]',"
        f" {d.instant.format(f'{made} - 60')}, {d.instant.format(made)}, {d.instant.format(f'{made} + 86400')}, NULL",
        many,
    )
    yield insert("received_ranges", "upload_id, range_start, range_end, crc64", f"{file}, 0, {size}, n * 11", many)
    other = d.id("x")
    whose_open = f"CASE WHEN n % 3 = 0 AND n <= 60 THEN 'user:{WHALE}' ELSE {others} END"
    yield insert(
        "uploads",
        uploads,
        f"{other}, {whose_open}, {other}, CASE n % 3 WHEN 1 THEN 'partial' ELSE 'whole' END,"
        " CASE WHEN n % 3 = 1 THEN 'COMPLETED' WHEN n % 6 = 2 THEN 'ABORTED' WHEN n % 3 = 2 THEN 'EXPIRED'"
        " WHEN n % 9 = 0 THEN 'PENDING' ELSE 'RECEIVING' END,"
        f" CASE n % 60 WHEN 3 THEN NULL ELSE 50000000 END, '{_NAMES}', '[]',"
        f" {d.instant.format('-7200 - n % 36000')}, {d.instant.format('-3600 - n % 3600')},"
        f" {d.instant.format('36000 + n % 36000')}, NULL",
        shown * 3,
    )
    yield insert(
        "received_ranges",
        "upload_id, range_start, range_end, crc64",
        f"{d.id('x', 'n / 3 * 3')}, n % 3 * 8388608, (n % 3 + 1) * 8388608, n",
        shown * 3,
        "WHERE n >= 3 AND n / 3 * 3 % 9 <> 0",
    )
    now = d.instant.format("-60")
    yield insert(
        "images",
        "id, watch_id, status, error, created_at, updated_at",
        f"{file}, {file}, 'DONE', '', {d.instant.format(made)}, {d.instant.format(made)}",
        many,
        "WHERE n % 10 IN (0, 1, 2, 3)",
    )
    for box in (100, 300, 1200):
        yield insert(
            "renditions",
            "image_id, box, width, height, media_type, size, blob_key",
            f"{file}, {box}, {box}, {box}, 'image/webp', {box} * 50, {d.id(f'r{box}-')}",
            many,
            "WHERE n % 10 IN (0, 1, 2, 3)",
        )
    yield insert(
        "instructions",
        "id, owner, product_id, product_key, parameters, created_at",
        f"{d.id('i')}, {whose}, '{'0' * 32}', 'images/resize', '{{}}', {d.instant.format(f'-n * {_YEAR / many:.6f}')}",
        max(many // 50, 500),
    )
    yield insert(
        "instruction_details",
        "id, output_id, instruction_id, input_file_id, input_name, input_media_type, input_size, is_own, is_cleaned,"
        " output_file_id, output_name, output_media_type, output_size, status, error, created_at, updated_at,"
        " started_at, finished_at",
        f"{d.id('d')}, {d.id('e')}, {d.id('i', '(n + 4) / 5')}, {file}, {name}, 'image/jpeg', {size}, false, false,"
        f" {d.id('f', 'n + 1')}, {name}, 'image/jpeg', {size}, 'DONE', '', {now}, {now}, {now}, {now}",
        max(many // 50, 500) * 5,
    )
    yield insert(
        "notifications",
        "owner, event_id, event, created_at",
        f"{whose}, {d.id('n')}, '{{}}', {d.instant.format('-n % 80000')}",
        many // 100,
    )
    # Of a kind that nobody does: they are to be there as long as it is measured.
    for state, count in (("QUEUED", many // 1000), ("DEAD", max(many // 5000, 100))):
        yield insert(
            "jobs",
            "id, kind, subject, state, attempts, token, error, created_at, due_at",
            f"{d.id(state)}, CASE n % 2 WHEN 0 THEN 'elsewhere' ELSE 'webhook:elsewhere' END, {file},"
            f" '{state}', 1, '', 'no', {now}, {now}",
            count,
        )
    yield insert("blob_deletions", "blob_key, created_at", f"{d.id('b')}, {now}", many // 10_000)
    yield insert(
        "upload_leases", "upload_id, token, holder, expires_at", f"{d.id('x')}, {d.id('t')}, '', {now}", many // 2000
    )
    yield insert(
        "archives",
        "digest, owner, is_admin, name, file_ids, expires_at",
        f"{d.id('a')} || {d.id('a')}, {whose}, false, 'some.zip', {file}, {d.instant.format(3600)}",
        many // 10_000,
    )
    yield (
        "INSERT INTO usage (owner, open_uploads, files, bytes)"
        " SELECT owner, sum(open_uploads), sum(files), sum(bytes) FROM ("
        " SELECT owner, 0 AS open_uploads, 1 AS files, size AS bytes FROM files UNION ALL"
        " SELECT owner, 1, CASE kind WHEN 'partial' THEN 0 ELSE 1 END, coalesce(length, 0) FROM uploads"
        " WHERE state IN ('ASSEMBLING', 'FAILED', 'PENDING', 'RECEIVING')) AS held GROUP BY owner"
    )
