"""Importing this lets Google's TensorBoard uploader run where TensorFlow is not installed.

It imports `tensorflow`, but uses only its file functions, which a stand-in of TensorBoard has, and names three messages
in annotations. Where TensorFlow is installed it is left alone. Run as a program it is the `tb-gcp-uploader` command.
"""

import importlib.util
import sys

if importlib.util.find_spec("tensorflow") is None:
    from tensorboard.compat import tensorflow_stub
    from tensorboard.compat.proto import event_pb2, summary_pb2

    messages = (event_pb2.Event, summary_pb2.Summary, summary_pb2.SummaryMetadata)
    for message in messages:
        setattr(tensorflow_stub.compat.v1, message.DESCRIPTOR.name, message)
    sys.modules["tensorflow"] = tensorflow_stub

if __name__ == "__main__":
    from google.cloud.aiplatform.tensorboard import uploader_main

    uploader_main.run_main()
