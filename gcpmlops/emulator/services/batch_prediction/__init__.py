"""Batch prediction: the part of JobService that sends many instances to a model's server.

service.py    BatchPredictionJobs: create, get, list, cancel, delete
checks.py     what a job may ask for
records.py    instances out of files and tables
shapes.py     what of a record goes to the model, and what to the output
run.py        one job: the model's server, batch after batch
outputs.py    predictions and errors, as files and as tables
"""
