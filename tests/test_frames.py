"""How deep a training step lies: the frames of this project between the command and the forward of the net."""

import json
from pathlib import Path

import pytest

from tests import processes
from tests.conftest import ROOT

MOST = 8  # STYLE: a frame must earn itself
PROBE = """
import inspect, json
from pathlib import Path
from src.net.one_layer import OneLayer

class Probe(OneLayer):
    def forward(self, x):
        if self.training:
            frames = [f"{frame.filename}:{frame.function}" for frame in inspect.stack(context=0)[1:]]
            Path("frames.json").write_text(json.dumps(frames[::-1]))
        return super().forward(x)
"""


@pytest.mark.parametrize("way", ["trainer.gradient_clip_val=0", "trainer.gradient_clip_val=1"], ids=["short", "whole"])
def test_eight_frames_of_ours_at_most_lie_between_command_and_net(way: str, tmp_path: Path) -> None:
    """The short way through a step, and Lightning's whole one; the module of the command is a frame too."""
    (tmp_path / "probe.py").write_text(PROBE)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    model = "defaults: [part/supervised]\nnet: {_target_: probe.Probe}\n"
    (tmp_path / "conf" / "model" / "probe.yaml").write_text(model)
    small = ["model=probe", "data=digits", "trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer=cpu"]
    code, said = processes.run(tmp_path, "src.train", *small, way, OMP_NUM_THREADS="1")
    assert code == 0, said
    frames = json.loads((tmp_path / "frames.json").read_text())
    ours = [frame.removeprefix(f"{ROOT}/") for frame in frames if frame.startswith(f"{ROOT / 'src'}/")]
    assert ours[0] == "src/train.py:<module>"
    assert any("gradient_clipping" in frame or "src/fit/quick.py:advance" in frame for frame in frames)
    assert len(ours) <= MOST, "\n".join(ours)
