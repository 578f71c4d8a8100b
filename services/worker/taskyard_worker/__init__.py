"""The worker: takes tasks from RabbitMQ, runs their handlers, and records what came of them in PostgreSQL."""
