"""Networks as ONNX files, checked against the network before they are kept."""

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
"""Largest error of a file's outputs, as a share of the network's largest output, or of 1."""
_CLIPS = 3
"""Clips of the example: not 0 or 1, and no axis of that length, which torch takes for constants."""
_PACKAGES = ("onnx", "onnxscript")


def export_bytes(module: ExportModule, about: Mapping[str, Any]) -> bytes:
    """A network as the content of an ONNX file.

    The content has been read back and run on noise: its outputs equal the network's.

    Args:
        module: On the CPU, in evaluation mode.
        about: JSON values that the file carries along.

    Returns:
        The file's bytes; the same for the same network and versions.

    Raises:
        StroiError: ``EXPORT_PACKAGES`` if what writes ONNX is not installed, ``EXPORT_DIFFERS`` if
            the file does not compute what the network does.
    """
    require_onnx()
    text = json.dumps(about, sort_keys=True, allow_nan=False)
    with deterministic(0, 1), _quiet():
        data = _onnx_bytes(_trace(module), module, text)
        check(data, module)
    return data


def require_onnx() -> None:
    """Refuse to go on without the packages that write ONNX.

    Raises:
        StroiError: ``EXPORT_PACKAGES``.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise StroiError(
            "EXPORT_PACKAGES",
            f"{' and '.join(missing)}: not installed, and ONNX files cannot be written without",
            remedy="run `pip install 'stroi[export]'`",
        )


def check(data: bytes, module: ExportModule) -> None:
    """Compare a file with the network that it was made from, on noise.

    Args:
        data: The file's bytes.
        module: The network.

    Raises:
        StroiError: ``EXPORT_DIFFERS``.
    """
    inputs = random_inputs(module.inputs, _CLIPS, seed=1)
    with torch.no_grad():
        expected = [value.numpy() for value in module(**inputs)]
    for spec, got, want in zip(module.outputs, _run(data, inputs), expected, strict=True):
        error = float(np.abs(got - want).max())
        if not error <= TOLERANCE * max(1.0, float(np.abs(want).max())):
            raise StroiError(
                "EXPORT_DIFFERS",
                f"the exported {spec.name} differ from the network's by {error:.2g}",
                remedy="report it with the versions of torch, onnx and onnxruntime",
            )


def _trace(module: ExportModule) -> torch.export.ExportedProgram:
    """The module as a graph for any number of clips."""
    inputs = random_inputs(module.inputs, _CLIPS, seed=0)
    clips = torch.export.Dim("clips", min=1)
    program = torch.export.export(
        module, (), inputs, dynamic_shapes={name: {0: clips} for name in inputs}, strict=False
    )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def _onnx_bytes(program: torch.export.ExportedProgram, module: ExportModule, text: str) -> bytes:
    """The program as ONNX, without paths and times of the machine that wrote it."""
    written = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=OPSET,
        output_names=[spec.name for spec in module.outputs],
        verbose=False,
    )
    if written is None:
        raise AssertionError("torch.onnx returns a program unless it is given a file")
    model = written.model_proto
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""
    for tensor in graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
    entry = model.metadata_props.add()
    entry.key, entry.value = META, text
    return bytes(model.SerializeToString(deterministic=True))


def _run(data: bytes, inputs: Mapping[str, Tensor]) -> list[NDArray[np.float32]]:
    """Outputs of an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {name: value.numpy() for name, value in inputs.items()}))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings and the log of torch's exporter."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
