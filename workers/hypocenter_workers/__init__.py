"""Workers: detection, correlation, investigation and evaluation, alone or as Celery tasks."""
