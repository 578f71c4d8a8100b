"""The dispatcher: moves due tasks from the record to the buffer, and keeps the record honest."""
