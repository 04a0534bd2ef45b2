"""What a job of a queue costs its server: BullMQ, RQ and Celery, many small jobs each, beside a redis-server."""
