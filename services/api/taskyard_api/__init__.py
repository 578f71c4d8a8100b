"""The API: validates, records, reads. It never talks to RabbitMQ and never loads handlers."""
