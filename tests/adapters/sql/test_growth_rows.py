"""The rows that `make scale` makes go into the tables as they are now."""

import sqlite3
from contextlib import closing

from sqlalchemy import StaticPool, create_engine

from adapters.outbound.sql.usage_triggers import metadata
from benchmarks.growth.rows import SQLITE, statements


def test_the_rows_of_make_scale_fit_the_tables() -> None:
    with closing(sqlite3.connect(":memory:")) as driver:
        engine = create_engine("sqlite://", creator=lambda: driver, poolclass=StaticPool)
        metadata.create_all(engine)
        driver.create_function("digest", 1, lambda text: f"{hash(text) & (1 << 64) - 1:032x}", deterministic=True)
        driver.create_function("blob", 1, str.encode)
        driver.execute("DROP TRIGGER usage_file_added")
        driver.execute("DROP TRIGGER usage_upload_added")
        for statement in statements(SQLITE, 200):
            driver.execute(statement)
        counted = driver.execute(
            "SELECT (SELECT count(*) FROM uploads), (SELECT count(*) FROM files), (SELECT count(*) FROM renditions)"
        )
        assert counted.fetchone() == (500, 200, 240)
