"""Vertex AI Workbench: instances that run JupyterLab (google.cloud.notebooks.v2)."""
