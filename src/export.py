"""Writes the net of a finished run to a file that serves without this project: `python -m src.export run=last`.

Shapes: B batch, K outputs.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from src.command.entry import command, each
from src.run.write import check_writable, whole

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from src.data.module import Data

Call = Callable[["Tensor"], "Tensor"]
METADATA = "metadata.json"  # its name inside a torch_export file
TOLERANCE = 1e-4  # the largest difference from the net's own outputs
CHECKED = 64  # samples
CURE = (
    "one trace of the net has to do for all inputs: let torch.where choose by values, and let no loop go over a batch"
)
OUTPUTS = {"binary": "the logit of the second class", "multiclass": "a logit per class", "regression": "the value"}


@command("export", with_run="export")
def main(cfg: DictConfig) -> None:
    """Write the net in each format and check each file; what cannot be is one line, and the rest is done."""
    import torch

    from src.config.plain import plain
    from src.fit.contract import follow
    from src.run.folder import checkpoint
    from src.run.quiet import quiet
    from src.run.trained import restore

    config = plain(cfg)
    formats = config["format"] if isinstance(config["format"], list) else [config["format"]]
    for name in formats:
        if name not in FORMATS:
            near = get_close_matches(str(name), FORMATS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"format={name}: no such format: {hint}(choose from {', '.join(FORMATS)})")
    folder = Path(cfg.out or cfg.run) / "export"
    check_writable(folder)

    def write(name: str) -> None:
        path, difference = export(net, x_B, output_BK, folder=folder, format=name, about=about)
        print(
            f"{name}: {path}, {path.stat().st_size / 1e6:.2g} MB; on {len(x_B)} samples of {cfg.input} "
            f"its outputs differ from the net's by {difference:.1e} at most"
        )

    with quiet():
        model, data = restore(config, checkpoint(Path(cfg.run), cfg.checkpoint))
        follow(data, config)
        x_B, net = real_samples(data, cfg.input), model.net
        with torch.no_grad():
            output_BK = net(x_B)
        about = metadata(data, preprocess=cfg.preprocess) | {"net": type(net).__name__, "run": Path(cfg.run).name}
        if cfg.preprocess:
            net, x_B = with_preprocessing(net, data, x_B)
        each(formats, write)


def real_samples(data: "Data", source: str) -> "Tensor":
    """Return some samples as the net wants them, of a split or of files; raises ValueError where there is none."""
    import torch

    from src.data.inputs import samples

    found: list[Tensor] = []
    for batch in samples(data, source):
        found.append(batch.x_B)
        if sum(map(len, found)) >= CHECKED:
            break
    x_B = torch.cat(found)[:CHECKED]
    if not len(x_B):
        raise ValueError(f"input={source}: none of these can be read, and the export is to be checked on some")
    return x_B


def with_preprocessing(net: "nn.Module", data: "Data", x_B: "Tensor") -> "tuple[nn.Module, Tensor]":
    """Return the net behind the normalisation, and the stored values that normalised samples were made of."""
    import torch

    from src.net.exported import Served

    gain, shift = data.normalize.affine(torch.device("cpu"))
    if len(data.shape) == 1:  # a table's features are its channels
        gain, shift = gain.flatten(), shift.flatten()
    served = Served(net, gain, shift).eval()
    return served, served.stored(x_B)


def metadata(data: "Data", *, preprocess: bool) -> dict[str, Any]:
    """Return what who serves the file has to know: what goes in, what comes out, what the classes are called."""
    normalize = data.normalize
    return {
        "classes": data.classes,
        "task": data.task,
        "output": OUTPUTS[data.task],
        "shape": list(data.shape),
        "resize": "scaled to cover the shape, the middle cut out" if len(data.shape) == 3 else None,
        "preprocess": preprocess,
        "scale": normalize.scale,  # (x / scale - mean) / std
        "mean": list(normalize.mean),
        "std": list(normalize.std),
    }


def export(
    net: "nn.Module", x_B: "Tensor", output_BK: "Tensor", *, folder: Path, format: str, about: Mapping[str, Any]
) -> tuple[Path, float]:
    """Write `net` for batches of any size; return the file and its largest difference from `output_BK` on `x_B`.

    Raises ValueError, and leaves the folder as it was, where the net cannot be exported or the file says other things.
    """
    name, write = FORMATS[format]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with whole(path) as part:
        call = write(_program(net, x_B, format=format, name=about.get("net", type(net).__name__)), part, about)
        differences = [(call(x_B[:count]) - output_BK[:count]).abs().max().item() for count in (1, len(x_B))]
        difference = max(differences, key=lambda value: (value != value, value))  # NaN above all
        if not difference <= TOLERANCE:
            raise ValueError(
                f"format={format}: the file's outputs differ from the net's by {difference:.1e}, more than {TOLERANCE}"
            )
    return path, difference


def _program(net: "nn.Module", x_B: "Tensor", *, format: str, name: str) -> "torch.export.ExportedProgram":
    import torch

    two_B = x_B[:2] if len(x_B) > 1 else x_B.expand(2, *x_B.shape[1:])  # a batch of one would count as a constant
    try:
        with redirect_stderr(StringIO()):  # where the tracer prints all that it has seen of the net
            return torch.export.export(net.eval(), (two_B,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    except Exception as error:  # whatever the tracer or the net raises
        raise ValueError(f"format={format}: {name} cannot be exported: {_reason(error)}: {CURE}") from error


def _onnx(program: "torch.export.ExportedProgram", path: Path, about: Mapping[str, Any]) -> Call:
    import torch

    try:
        import onnxruntime
        import onnxscript  # noqa: F401  # torch's exporter needs it and says so in many lines
    except ModuleNotFoundError as error:
        raise ValueError(f"format=onnx needs the package {error.name}: pip install -e '.[export]'") from error
    try:
        written = torch.onnx.export(
            program,
            input_names=["x"],
            output_names=["output"],
            dynamic_shapes=({0: "batch"},),
            dynamo=True,
            verbose=False,
        )
    except Exception as error:  # an operation that ONNX does not have
        raise ValueError(f"format=onnx: the net cannot be exported: {_reason(error)}") from error
    assert written is not None
    written.model.metadata_props.update({key: json.dumps(value) for key, value in about.items()})
    written.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x_B: torch.from_numpy(session.run(None, {"x": x_B.numpy()})[0])


def _torch_export(program: "torch.export.ExportedProgram", path: Path, about: Mapping[str, Any]) -> Call:
    import torch

    with path.open("wb") as file:  # torch would warn of a path that does not end in .pt2
        torch.export.save(program, file, extra_files={METADATA: json.dumps(about)})
    with path.open("rb") as file:
        return torch.export.load(file).module()


def _reason(error: Exception) -> str:
    """Return the first line of an error, without torch's advice to its own developers."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first.partition(" For more information")[0].partition(" (unhinted")[0].rstrip(".!")[:300]


FORMATS = {"onnx": ("net.onnx", _onnx), "torch_export": ("net.pt2", _torch_export)}

if __name__ == "__main__":
    main()
