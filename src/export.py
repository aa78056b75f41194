"""Writes the net of a finished run to a file that serves without this project: `python -m src.export run=last`.

Shapes: B batch, K outputs.
"""

import inspect
import json
import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from omegaconf import DictConfig

from src.command.entry import command, each
from src.run.write import check_writable, whole

if TYPE_CHECKING:
    import lightning
    import torch
    from torch import Tensor, nn

    from src.data.module import Data

    Tensors = Tensor | Sequence[Tensor]

log = logging.getLogger(__name__)

Call = Callable[..., Any]  # of a file, with tensors
METADATA = "metadata.json"  # its name inside a torch_export file
TOLERANCE = 1e-4  # the largest difference from the net's own outputs
CHECKED = 64  # samples
CURE = (
    "one trace of the net has to do for all inputs: let torch.where choose by values, and let no loop go over a batch"
)
OUTPUTS = {"binary": "the logit of the second class", "multiclass": "a logit per class", "regression": "the value"}
OUTPUTS |= {"multilabel": "a logit per label", "segmentation": "a logit per class and pixel"}


@command("export", with_run="export")
def main(cfg: DictConfig) -> None:
    """Write the net in each format and check each file; what cannot be is one line, and the rest is done."""
    from src.config.plain import plain
    from src.fit.contract import Net, Predicting, Readable, follow, offers
    from src.fit.first_batch import splits_of
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
        path, difference = export(
            served.net, served.inputs, served.outputs, folder=folder, format=name, about=about, names=served.names
        )
        print(
            f"{name}: {path}, {path.stat().st_size / 1e6:.2g} MB; on {len(served.inputs[0])} samples of {source} "
            f"its outputs differ from the net's by {difference:.1e} at most"
        )

    with quiet():
        model, data = restore(config, checkpoint(Path(cfg.run), cfg.checkpoint))
        follow(data, config)
        source = cfg.input or splits_of(data)[0]
        is_ours = offers(model, Net) and offers(model, Predicting) and offers(data, Readable)
        preprocess = cfg.preprocess and not (is_ours and data.vocabulary is not None)
        served = ours(model, data, source, preprocess=preprocess) if is_ours else theirs(model, data, source)
        if is_ours and cfg.preprocess and not preprocess:
            log.info("preprocess=true is left out: token numbers go in, as load(run).preprocess(text) gives them")
        if cfg.preprocess and not is_ours:
            log.info("preprocess=true is left out: the data do not say how they normalise: what the net gets goes in")
        about = {**served.about, "run": Path(cfg.run).name}
        each(formats, write)


class Servable(NamedTuple):
    """A net to write, tensors that it takes and gives, what the inputs are called, and what to say about it."""

    net: "nn.Module"
    inputs: "tuple[Tensor, ...]"
    outputs: "tuple[Tensor, ...]"
    names: list[str]
    about: dict[str, Any]


def ours(model: Any, data: "Data", source: str, *, preprocess: bool) -> Servable:
    """Return the net of a model that says what its outputs mean, where asked for behind the normalisation."""
    import torch

    from src.fit.contract import Scaled, offers
    from src.net.exported import InUnits

    net, units = model.net, model.units if offers(model, Scaled) else None
    x_B = real_samples(data, source)
    about = metadata(data, preprocess=preprocess) | {"net": type(net).__name__}
    if units is not None:
        net = InUnits(net, *map(torch.tensor, units)).eval()
    with torch.no_grad():
        output_BK = net(x_B)
    if preprocess:
        net, x_B = with_preprocessing(net, data, x_B)
    return Servable(net, (x_B,), (output_BK,), ["x"], about)


def theirs(model: "lightning.LightningModule", data: "lightning.LightningDataModule", source: str) -> Servable:
    """Return anybody's net, or their forward where there is none, with what it is called with for a batch of a split.

    Raises ValueError in one line where it cannot be called so.
    """
    import torch

    from src.data.inputs import image_files
    from src.fit.contract import Described, Preprocessing, needs, offers
    from src.fit.first_batch import STAGES, Call, called_with, first_batch, net_of
    from src.fit.predicting import image_batch
    from src.fit.traceable import input_names, inputs_of, traceable

    if source in STAGES:
        call = called_with(model, first_batch(data, source, model=model), split=source)
    else:
        reader = needs(data, Preprocessing, for_=f"input={source}")
        call = Call((torch.cat([image_batch(reader, file) for file in image_files(source)[:CHECKED]]),), {})
    net, name = net_of(model).eval(), type(net_of(model)).__name__
    inputs, names = tuple(inputs_of(call)), input_names(net, call)
    shapes = {key: f"{list(x.shape)} {x.dtype}" for key, x in zip(names, inputs, strict=True)}
    try:
        net = traceable(net, call)
        with torch.no_grad():
            inputs = cut(inputs, len(inputs[0]), CHECKED)
            outputs = several(net(*inputs))
    except Exception as error:
        raise ValueError(
            f"{name} cannot be called with what a batch of {source} holds, {shapes} ({type(error).__name__}): declare "
            "example_input_array, or add predict_step, in the model"
        ) from error
    about: dict[str, Any] = {
        "classes": data.classes if offers(data, Described) else None,
        "task": None,
        "preprocess": False,
    }
    about |= {"inputs": {key: list(x.shape[1:]) for key, x in zip(names, inputs, strict=True)}, "net": name}
    return Servable(net, inputs, outputs, names, about)


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
    served: Any = data.normalize.before(net, shape=data.shape).eval()
    return served, served.stored(x_B)


def metadata(data: "Data", *, preprocess: bool) -> dict[str, Any]:
    """Return what who serves the file has to know: what goes in, what comes out, what the classes are called."""
    return {
        "classes": data.classes,
        "task": data.task,
        "output": OUTPUTS.get(data.task, f"what the task {data.task} takes"),
        "shape": list(data.shape),
        "resize": "scaled to cover the shape, the middle cut out" if len(data.shape) == 3 else None,
        "preprocess": preprocess,
        **data.normalize.facts(),
    }


def export(
    net: "nn.Module",
    inputs: "Tensors",
    outputs: "Tensors",
    *,
    folder: Path,
    format: str,
    about: Mapping[str, Any],
    names: Sequence[str] = ("x",),
) -> tuple[Path, float]:
    """Write `net` for batches of any size; return the file and its largest difference from `outputs` for `inputs`.

    Both are a tensor or a tuple of them; those as long as the first input are of samples, `names` are what the inputs
    are called. Raises ValueError, and leaves the folder as it was, where the net cannot be exported or the file says
    other things.
    """
    import torch

    name, write = FORMATS[format]
    folder.mkdir(parents=True, exist_ok=True)
    path, given, samples = folder / name, several(inputs), len(several(inputs)[0])
    one = cut(given, samples, 1)
    with torch.no_grad():
        checks = [(one, several(net.eval()(*one))), (given, several(outputs))]
    with whole(path) as part:
        program = _program(net, given, format=format, name=about.get("net", type(net).__name__))
        call = write(program, part, about, names, [len(x) == samples for x in given])
        differences = [largest_difference(several(call(*x)), expected) for x, expected in checks]
        difference = max(differences, key=lambda value: (value != value, value))  # NaN above all
        if not difference <= TOLERANCE:
            raise ValueError(
                f"format={format}: the file's outputs differ from the net's by {difference:.1e}, more than {TOLERANCE}"
            )
    return path, difference


def several(tensors: Any) -> "tuple[Tensor, ...]":
    """Return what may be one tensor or several as a tuple."""
    return tuple(tensors) if isinstance(tensors, tuple | list) else (tensors,)


def cut(tensors: "Sequence[Tensor]", samples: int, count: int) -> "tuple[Tensor, ...]":
    """Return the first `count` of the `samples` of tensors that hold so many, others as they are."""
    return tuple(x[:count] if x.ndim and len(x) == samples else x for x in tensors)


def largest_difference(found: "Sequence[Tensor]", expected: "Sequence[Tensor]") -> float:
    """Return the largest difference between tensors of equal shapes; infinity where shapes differ."""
    if [x.shape for x in found] != [x.shape for x in expected]:
        return math.inf
    pairs = [(x.double() - y.double()).abs() for x, y in zip(found, expected, strict=True) if x.numel()]
    worst = [difference.max().item() for difference in pairs]
    return max(worst, key=lambda value: (value != value, value), default=0.0)


def _program(
    net: "nn.Module", inputs: "tuple[Tensor, ...]", *, format: str, name: str
) -> "torch.export.ExportedProgram":
    import torch

    samples, batch = len(inputs[0]), torch.export.Dim("batch")
    is_batch = [bool(x.ndim) and len(x) == samples for x in inputs]
    # a batch of one would count as a constant
    two = [x[[0, -1]] if of_batch else x for x, of_batch in zip(inputs, is_batch, strict=True)]
    dims: Any = tuple({0: batch} if of_batch else None for of_batch in is_batch)
    takes_any = any(p.kind is p.VAR_POSITIONAL for p in inspect.signature(net.forward).parameters.values())
    try:
        with redirect_stderr(StringIO()):  # where the tracer prints all that it has seen of the net
            return torch.export.export(net.eval(), tuple(two), dynamic_shapes=(dims,) if takes_any else dims)
    except Exception as error:  # whatever the tracer or the net raises
        raise ValueError(f"format={format}: {name} cannot be exported: {_reason(error)}: {CURE}") from error


def _onnx(
    program: "torch.export.ExportedProgram",
    path: Path,
    about: Mapping[str, Any],
    names: Sequence[str],
    is_batch: Sequence[bool],
) -> Call:
    import torch

    try:
        import onnxruntime
        import onnxscript  # noqa: F401  # torch's exporter needs it and says so in many lines
    except ModuleNotFoundError as error:
        raise ValueError(f"format=onnx needs the package {error.name}: pip install -e '.[export]'") from error
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*The axis name")  # of several inputs, whose batches are equally long
            written = torch.onnx.export(
                program,
                input_names=list(names),
                output_names=["output"],
                dynamic_shapes=tuple({0: "batch"} if of_batch else None for of_batch in is_batch),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # an operation that ONNX does not have
        raise ValueError(f"format=onnx: the net cannot be exported: {_reason(error)}") from error
    assert written is not None
    written.model.metadata_props.update({key: json.dumps(value) for key, value in about.items()})
    written.save(path, external_data=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    fed = [entry.name for entry in session.get_inputs()]  # without those that the net does not use

    def call(*inputs: "Tensor") -> "tuple[Tensor, ...]":
        values = {name: x.numpy() for name, x in zip(names, inputs, strict=True) if name in fed}
        return tuple(torch.from_numpy(value) for value in session.run(None, values))

    return call


def _torch_export(
    program: "torch.export.ExportedProgram",
    path: Path,
    about: Mapping[str, Any],
    names: Sequence[str],
    is_batch: Sequence[bool],
) -> Call:
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
