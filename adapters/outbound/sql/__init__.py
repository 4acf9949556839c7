"""SQLite and PostgreSQL: tables, repositories, ledger and leases over SQLAlchemy Core. Start with ``database.py``."""
