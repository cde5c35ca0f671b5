"""Graphs as ONNX files, checked against the network before they are kept."""

from __future__ import annotations

import importlib.util
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.cache.errors import StroiError
from stroi.trainer.network_files.export_module import ExportModule, random_inputs
from stroi.trainer.runtime import deterministic

OPSET = 18
"""Of ONNX; onnxruntime knows it since 1.14."""
META = "stroi"
"""Name of the description within a file."""
TOLERANCE = 1e-4
"""How far scores of a file may be from the network's, as a share of the largest, or of 1."""
_CLIPS = 3
_NEEDED = ("onnx", "onnxscript")


def export_bytes(graph: ExportModule, about: Mapping[str, Any]) -> bytes:
    """A graph as the content of an ONNX file.

    What is returned has been read back, run on noise and found equal to the graph.

    Args:
        graph: On the CPU, in evaluation mode.
        about: JSON values that the file carries along.

    Returns:
        The file's bytes; the same for the same graph and versions.

    Raises:
        StroiError: ``EXPORT_PACKAGES`` if what writes ONNX is not installed, ``EXPORT_DIFFERS`` if
            the file does not compute what the network does.
    """
    require_onnx()
    text = json.dumps(about, sort_keys=True, allow_nan=False)
    with deterministic(0, 1), _quiet():
        data = _onnx(_program(graph), graph, text)
        check(data, graph)
    return data


def require_onnx() -> None:
    """Refuse to go on without the packages that write ONNX.

    Raises:
        StroiError: ``EXPORT_PACKAGES``.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise StroiError(
            "EXPORT_PACKAGES",
            f"{' and '.join(missing)}: not installed, and ONNX files cannot be written without",
            remedy="run `pip install 'stroi[export]'`",
        )


def check(data: bytes, graph: ExportModule) -> None:
    """Compare a file with the graph it was made of, on noise.

    Args:
        data: The file's bytes.
        graph: The graph.

    Raises:
        StroiError: ``EXPORT_DIFFERS``.
    """
    inputs = random_inputs(graph.inputs, _CLIPS, seed=1)
    with torch.no_grad():
        wanted = [value.numpy() for value in graph(**inputs)]
    for port, mine, own in zip(graph.outputs, _run(data, inputs), wanted, strict=True):
        apart = float(np.abs(mine - own).max())
        if not apart <= TOLERANCE * max(1.0, float(np.abs(own).max())):
            raise StroiError(
                "EXPORT_DIFFERS",
                f"the exported {port.name} are {apart:.2g} away from the network's",
                remedy="report it with the versions of torch, onnx and onnxruntime",
            )


def _program(graph: ExportModule) -> torch.export.ExportedProgram:
    """The graph with any number of clips."""
    # Not 0 or 1 and no two equal axes: torch would take such a number for a constant.
    inputs = random_inputs(graph.inputs, _CLIPS, seed=0)
    clips = torch.export.Dim("clips", min=1)
    program = torch.export.export(
        graph, (), inputs, dynamic_shapes={name: {0: clips} for name in inputs}, strict=False
    )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def _onnx(program: torch.export.ExportedProgram, graph: ExportModule, text: str) -> bytes:
    """The program as ONNX, without the traces of the machine it was made on."""
    written = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=OPSET,
        output_names=[port.name for port in graph.outputs],
        verbose=False,
    )
    if written is None:
        raise AssertionError("torch.onnx returns a program unless it is given a file")
    model = written.model_proto
    inner = model.graph
    for part in (model, inner, *inner.node, *inner.input, *inner.output, *inner.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in inner.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    entry = model.metadata_props.add()
    entry.key, entry.value = META, text
    return bytes(model.SerializeToString(deterministic=True))


def _run(data: bytes, inputs: Mapping[str, Tensor]) -> list[NDArray[np.float32]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {name: value.numpy() for name, value in inputs.items()}))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what torch's exporters say of themselves."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
