"""The process behind a deployed model: Vertex AI's prebuilt prediction containers as one small HTTP server.

It runs under the Python of the *prediction image's* environment, so it imports nothing from gcpmlops, needs NumPy,
httptools and (where they are installed) uvloop and orjson, and keeps to syntax that Python 3.8 knows.

`python .../model_server --model-dir DIR --uds PATH [--port N]`: `serve` reads that, `models` loads what is in DIR (or
`routines` the classes of a custom prediction routine), `listening` and `protocol` speak HTTP/1.1, `app` answers the two
routes of the container contract, `batching` predicts the requests that wait in one call.
"""
