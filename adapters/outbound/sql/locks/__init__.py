"""Who may write an upload, or some of its bytes: leases as rows. Start with ``lock.py``."""
