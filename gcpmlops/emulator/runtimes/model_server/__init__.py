"""The process behind a deployed model: Vertex AI's prebuilt prediction container as one small ASGI server.

It runs under the Python of the *prediction image's* environment, so it imports nothing from gcpmlops and keeps to
syntax that Python 3.9 knows. `python .../model_server --model-dir DIR --uds PATH [--port N]`.
"""
