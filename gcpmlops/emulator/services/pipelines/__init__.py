"""google.cloud.aiplatform.v1.PipelineService: training pipelines (pipeline jobs are not built).

tasks.py       what a task's inputs describe, and the job that carries it out
input_data.py  a managed dataset, split and handed over to the task
uploads.py     the model that the task wrote, uploaded
service.py     TrainingPipelines
"""
