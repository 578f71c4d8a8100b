"""The local run: PostgreSQL, RabbitMQ and every part of Taskyard on this machine, without Docker and without root.

Nothing else in Taskyard imports this package: the parts are started as they are in a container, and learn where
their servers are from `DATABASE_URL` and `CELERY_BROKER_URL` alone.
"""
