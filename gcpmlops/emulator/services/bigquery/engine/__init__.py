"""The BigQuery engine: a process of its own that holds DuckDB and bqemulator's SQL translation.

It listens on one unix socket and is never imported by the emulator's main process. What bqemulator does well (BigQuery
SQL to DuckDB, scripts, DDL, routines) is its own; loads, results, table resources, extracts, streaming inserts and the
Storage Read API are ours, on the same DuckDB file.
"""
