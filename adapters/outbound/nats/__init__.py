"""News of jobs by NATS JetStream."""
