"""News of jobs by RabbitMQ, or what else speaks AMQP 0-9-1."""
