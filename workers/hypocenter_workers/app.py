"""The Celery app: investigations on any number of machines, over Redis. Nothing connects until a task is sent."""

from __future__ import annotations

from celery import Celery

from hypocenter import settings

TIME_LIMIT_S = 600
GRACE_S = 30
# Training lasts longer than anything else, and ends before the broker would hand it out again.
TRAINING_LIMIT_S = 1100
RESULT_LIFETIME_S = 24 * 3600


def create_app(redis_url: str) -> Celery:
    """Return an app that carries tasks and results over the Redis server at `redis_url`.

    Only JSON is read and written. A task is acknowledged when it is done, so one whose worker machine dies is
    delivered again; one that kills its worker process is failed instead, or it would go round for ever.
    """
    app = Celery("hypocenter", broker=redis_url, backend=redis_url, include=["hypocenter_workers.tasks"])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_serializer="json",
        result_expires=RESULT_LIFETIME_S,
        task_default_queue="hypocenter",
        task_acks_late=True,
        task_reject_on_worker_lost=False,
        task_soft_time_limit=TIME_LIMIT_S,
        task_time_limit=TIME_LIMIT_S + GRACE_S,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        # Redis hands a task out again after this long: a running one must have ended by then.
        broker_transport_options={"visibility_timeout": 2 * TIME_LIMIT_S},
    )
    return app


app = create_app(str(settings.read("redis_url")))
