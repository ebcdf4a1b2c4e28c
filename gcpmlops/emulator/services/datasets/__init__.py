"""google.cloud.aiplatform.v1.DatasetService, shared out over classes.

schemas.py    the kinds of datasets, by metadata schema
rows.py       where datasets live in the store
sources.py    what a tabular dataset's metadata points to, checked
service.py    Datasets: create, get, list, update, delete
versions.py   DatasetVersions
transfers.py  DatasetTransfers: import and export
items.py      DataItems: data items and saved queries
index_files.py  files that name data items
csv_rows.py   rows of a dataset's CSV files
splits.py     which row is for training, validation, test
sql.py        the same in GoogleSQL
exports.py    splits as CSV files and as BigQuery tables
"""
