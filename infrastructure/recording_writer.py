"""The program of the process that writes small chunks and files and records them, where SQLite is the ledger.

It is started without site-packages: what is imported here needs the standard library alone.
"""

from argparse import BooleanOptionalAction

from adapters.outbound.sql.ledger.plain_receipts import PlainReceipts
from adapters.outbound.volume.writing import process


def main() -> None:
    arguments = process.arguments()
    arguments.add_argument("--database")
    arguments.add_argument("--durable", action=BooleanOptionalAction)
    given = arguments.parse_args()
    ledger = PlainReceipts(given.database, durable=given.durable)
    try:
        process.run(given, ledger)
    finally:
        ledger.close()
