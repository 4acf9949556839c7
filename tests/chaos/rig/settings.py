"""Settings that all servers under fire share."""

# Resuming clients ask far more often than people do; how the limits themselves work is tested elsewhere.
CHAOS = {"RATE_LIMIT": "1000000/minute", "QUOTA_OPEN_UPLOADS": "100000"}
