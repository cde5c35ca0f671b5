"""What a process that only scores does not load."""

from __future__ import annotations

import subprocess
import sys


def test_scoring_does_not_load_torchs_compiler() -> None:
    script = (
        "import sys\n"
        "import torch\n"
        "from stroi.trainer.models.resnet import ResNet\n"
        "from stroi.trainer.runtime import deterministic\n"
        "with deterministic(0, 1), torch.inference_mode():\n"
        "    assert torch.are_deterministic_algorithms_enabled()\n"
        "    ResNet(2, 'resnet18').eval()(torch.zeros(1, 3, 64, 64))\n"
        "assert not torch.are_deterministic_algorithms_enabled()\n"
        "print(sorted({'torch._inductor', 'torch._dynamo'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
