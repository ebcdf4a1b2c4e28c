"""BigQuery: an ASGI front (jobs, uploads, gs:// staging) over an engine that runs as a process of its own.

app.py        BigQueryApp: the routes of bigquery.googleapis.com
jobs.py       the job records, their threads and their waiting callers
transfer.py   gs:// URIs to staged files, and extracted files to objects
uploads.py    multipart and resumable uploads
process.py    BigQueryEngine: starts the engine, restarts it, calls it over its unix socket
read_api.py   the Storage Read API (gRPC)
engine/       the process: DuckDB, bqemulator
"""
