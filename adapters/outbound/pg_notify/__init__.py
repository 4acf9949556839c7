"""Events between processes by PostgreSQL's LISTEN/NOTIFY, over plain asyncpg."""
