"""Cloud Functions (2nd generation) and the Cloud Run service behind each.

A function is deployed (`deploying.py`) into instances that `runtimes` keeps; `invocation.py` answers its URLs,
`service.py` and `run_services.py` the two APIs, `triggers.py` has events delivered to it.
"""
