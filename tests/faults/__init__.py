"""Faults with real processes: gunicorn, Celery, beat, PostgreSQL, Valkey and SMTP, killed, emptied and misled.

`python -m tests.faults [F1 F2 ...]` runs the scenarios and prints each number that is demanded beside the one measured;
tests/processes/test_faults.py runs the same, small.
"""
