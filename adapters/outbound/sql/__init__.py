"""SQLite and PostgreSQL over SQLAlchemy Core: repositories, ledger, leases. Start with ``database.py``."""
