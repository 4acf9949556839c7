"""News of jobs by NATS JetStream, events between processes by core NATS; one connection each."""
