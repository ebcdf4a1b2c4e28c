"""Batch prediction: the part of JobService that sends many instances to a model's server.

service.py    BatchPredictionJobs: create, get, list, cancel, delete
checks.py     what a job may ask for
served.py     which model a job's server is to load, and as what
records.py    instances out of files and tables, as the JSON text that they are
shapes.py     what of a record goes to the model, and what to the output
ahead.py      reading ahead while the model's server works
explaining.py predictions with what each feature has contributed
asking.py     batches to the server: what is tried again, what is one instance's own fault
run.py        one job: from its input to its output
spool.py      predictions and errors so far, as files
outputs.py    predictions and errors to Cloud Storage and BigQuery
"""
