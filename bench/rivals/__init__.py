"""What people would use instead of Taskyard, as a good engineer writes it; each is a program of its own.

handwritten   FastAPI, SQLAlchemy and Celery by hand: commit, then `.delay()`; the worker updates the row
raw_celery    Celery and RabbitMQ alone: no record at all
empty         FastAPI alone: a POST that checks its body and does nothing
"""
