"""A TensorBoard log directory, made with TensorBoard's own writer. Arguments: the directory, and how many steps."""

import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from tensorboard.compat.proto import event_pb2, graph_pb2, node_def_pb2, summary_pb2, tensor_pb2
from tensorboard.plugins.histogram import summary_v2 as histogram
from tensorboard.plugins.scalar import summary_v2 as scalar
from tensorboard.plugins.text import summary_v2 as text
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util


def png(shade: int) -> bytes:
    """A gray picture of 2 x 2 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)
    rows = bytes([0, shade, shade]) * 2
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def picture(tag: str, shade: int) -> summary_pb2.Summary:
    """An image as TensorFlow 1 and PyTorch write it."""
    image = summary_pb2.Summary.Image(height=2, width=2, colorspace=1, encoded_image_string=png(shade))
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, image=image)])


def plain(tag: str, value: float) -> summary_pb2.Summary:
    """A scalar as TensorFlow 1 and PyTorch write it."""
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])


def tensor(data: bytes) -> np.ndarray:
    """What a stored tensor holds."""
    return tensor_util.make_ndarray(tensor_pb2.TensorProto.FromString(data))


def write(folder: Path, start: int, steps: int, *, graph: bool = False) -> None:
    """Scalars of both forms, histograms, a text, images and a graph."""
    writer = EventFileWriter(str(folder))
    now = time.time()
    if graph:
        model = graph_pb2.GraphDef(node=[node_def_pb2.NodeDef(name="x", op="Placeholder")])
        writer.add_event(event_pb2.Event(wall_time=now, graph_def=model.SerializeToString()))
    for step in range(start, start + steps):
        summaries = [
            scalar.scalar_pb("loss", 1 / (1 + step)),
            plain("epoch/accuracy", step / 1000),
            histogram.histogram_pb("weights", np.linspace(-1, 1, 50) * (1 + step), buckets=8),
        ]
        if step == start:
            summaries += [text.text_pb("notes", f"begun at **{start}**"), picture("sample", start % 256)]
        for summary in summaries:
            writer.add_event(event_pb2.Event(wall_time=now + step, step=step, summary=summary))
    writer.close()


if __name__ == "__main__":
    root, count = Path(sys.argv[1]), int(sys.argv[2])
    write(root, 0, count, graph=True)
    write(root / "validation", 0, count)
    write(root / "fold_2" / "eval", 0, count)
