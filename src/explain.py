"""Shows what a net sees: `python -m src.explain run=last input=cat.jpg method=feature_maps layer=features.0`.

Shapes: C channels, H height, W width, K classes.
"""

import os
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from omegaconf import DictConfig

from src.command.entry import command, each
from src.run.write import whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor, nn

    from src.fit.subject import Subject

Source = Path | tuple[str, int]  # of an image
SPLITS = ("train", "val", "test", "predict")
OF_LAYERS = ("feature_maps", "filters", "grad_cam")
COUNTED = ("feature_maps", "filters")  # of which `n` are shown; the others are of a `target`
METHODS = (*OF_LAYERS, "saliency", "integrated_gradients", "occlusion")
MOST_FILTERS = 256  # pictured where n says nothing


class View(NamedTuple):
    """One picture to make: by which method, of which layer (None: the one that suits it), of which image.

    That is a file, or a split and the number of a sample in it; `image` is what to call it.
    """

    method: str
    layer: str | None
    source: Source | None
    image: str | None = None

    def name(self, *, target: str | None, n: int | None) -> str:
        """Return the name of its file, which says what the picture is of."""
        first = str(n) if n and self.method in COUNTED else None
        of_class = None if self.method in COUNTED else target
        return _clean("_".join(word for word in (self.method, self.layer, first, of_class, self.image) if word))


@command("explain", with_run="explain_run")
def main(cfg: DictConfig) -> None:
    """Picture what each method shows of each layer and image; what cannot be is one line, and the rest is done."""
    from src.config.plain import plain
    from src.run.quiet import quiet
    from src.run.write import check_writable

    config = plain(cfg)
    if not (cfg.out or cfg.run):
        raise ValueError("out= is missing: give the folder for the figures, out=., or a run folder, run=last")
    if cfg.n is not None and cfg.n < 1:
        raise ValueError(f"n={cfg.n}: how many channels, at least 1, or null for all")
    folder = Path(cfg.out or cfg.run) / "figures"
    check_writable(folder)

    def picture(view: View) -> None:
        view = view._replace(layer=chosen_layer(subject.net, view, subject.shape))
        figure = explain(subject, view, target=cfg.target, n=cfg.n)
        path = folder / f"{view.name(target=cfg.target, n=cfg.n)}.png"
        folder.mkdir(parents=True, exist_ok=True)
        with whole(path, synced=False) as part:
            figure.savefig(part, format="png", bbox_inches="tight")
        print(f"picture: {path}")

    with quiet():
        subject = described(config)
        each(views(listed(config["method"]), listed(config["layer"]), cfg.input), picture)


def described(config: dict[str, Any]) -> "Subject":
    """Return model and data of a run, or those that a config describes, with its `weights`.

    Raises ValueError where the data are no images.
    """
    from src.config.build import build
    from src.fit.contract import Predicting, follow, offers
    from src.fit.subject import Subject
    from src.run.folder import checkpoint
    from src.run.pretrained import start_from
    from src.run.trained import restore

    if config["run"]:
        model, data = restore(config, checkpoint(Path(config["run"]), config["checkpoint"]))
        follow(data, config)
    else:
        model, data = build(config["model"]).eval(), build(config["data"])
        is_ours = offers(model, Predicting)
        if config["model"].get("weights") and is_ours:  # another's is their own affair
            start_from(model.net, config["model"]["weights"])
    return Subject(model, data)


def listed(value: object) -> list[Any]:
    """Return a value that may be one, a list or null as a list."""
    return [] if value is None else value if isinstance(value, list) else [value]


def views(methods: Sequence[str], layers: Sequence[str], source: str | None) -> Iterator[View]:
    """Yield what to picture.

    Raises ValueError for an unknown method, where it needs an image and there is none, and for layers of methods that
    look at the input.
    """
    for method in methods:
        if method not in METHODS:
            near = get_close_matches(str(method), METHODS, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"method={method}: no such method: {hint}(choose from {', '.join(METHODS)})")
    if source is None and set(methods) != {"filters"}:
        raise ValueError("input= is missing: give an image, or method=filters, which needs none")
    if layers and not set(methods) & set(OF_LAYERS):
        raise ValueError(f"layer={layers[0]}: method={methods[0]} has none: leave it out, or choose {_or(OF_LAYERS)}")
    images = {} if source is None else named(source)
    for method in methods:
        of_layers: Sequence[str | None] = layers if layers and method in OF_LAYERS else [None]
        of_images: dict[Any, str | None] = {None: None} if method == "filters" else {**images}
        yield from (View(method, layer, *image) for layer in of_layers for image in of_images.items())


def named(source: str) -> dict[Source, str]:
    """Return what to call each image that `source` names: files, a split's first image, or one by its number in it."""
    from src.data.inputs import image_files

    split, _, number = source.partition("/")
    if split in SPLITS and not Path(source).exists() and (number.isdecimal() or not number):
        return {(split, int(number or 0)): f"{split}_{int(number or 0)}"}
    paths = image_files(source)
    return dict(zip(paths, distinct(paths), strict=True))


def distinct(paths: Sequence[Path]) -> list[str]:
    """Return what to call each of the files, each otherwise: by its own name, or with its folders, or with a number."""
    if not paths:
        return []
    root = os.path.commonpath([path.parent for path in paths])
    short = [_clean(path.stem) for path in paths]
    long = [_clean(os.path.relpath(path, root)) for path in paths]
    names: list[str] = []
    for one, other in zip(short, long, strict=True):
        name = one if short.count(one) == 1 else other
        numbered = (f"{name}_{number}" for number in count(2))
        names.append(name if name not in names else next(free for free in numbered if free not in names))
    return names


def chosen_layer(net: "nn.Module", view: View, shape: Sequence[int]) -> str | None:
    """Return the layer of a view; where it says none the first that suits the method, of grad_cam the last.

    Raises ValueError where there is none.
    """
    import torch

    from src.net.layers import filter_layers, mapping_layers

    if view.layer is not None or view.method not in OF_LAYERS:
        return view.layer
    noise_1CHW = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))  # of which every map varies
    suiting = filter_layers(net, shape) if view.method == "filters" else mapping_layers(net, noise_1CHW)
    if not suiting:
        raise ValueError(
            f"method={view.method}: no layer of {type(net).__name__} suits it: choose saliency, integrated_gradients "
            f"or occlusion, which need none"
        )
    return suiting[-1 if view.method == "grad_cam" else 0]


def explain(subject: "Subject", view: View, *, target: str | None = None, n: int | None = None) -> "Figure":
    """Return the picture of a view; `target` is the class that is explained, None the one that the net predicts.

    `n` bounds the number of channels or filters. Raises ValueError, in one line, for what there is no picture of.
    """
    from src.net.layers import filters_of, map_of
    from src.plot.feature_maps import feature_maps, filters

    net = subject.net
    if view.source is None:
        weight_NCHW = filters_of(net, str(view.layer), subject.shape)
        shown = min(n or MOST_FILTERS, len(weight_NCHW))
        some = "" if shown == len(weight_NCHW) else f"the first {shown} of "
        title = f"{view.layer}: {some}{len(weight_NCHW)} filters of {_size(weight_NCHW)}"
        return filters(weight_NCHW[:shown].numpy(), title=title)
    x_1CHW = subject.from_file(view.source) if isinstance(view.source, Path) else subject.from_split(*view.source)
    if view.method != "feature_maps":
        return _attribution(subject, x_1CHW, view, target=target)
    map_CHW = map_of(net, str(view.layer), x_1CHW)[0]
    some = "" if n is None or n >= len(map_CHW) else f"the first {n} of "
    title = f"{view.layer}: {some}{len(map_CHW)} channels of {_size(map_CHW)}, {_title(view)}"
    return feature_maps(map_CHW[:n].numpy(), title=title)


def _attribution(subject: "Subject", x_1CHW: "Tensor", view: View, *, target: str | None) -> "Figure":
    """Return what the pixels say for a class, laid over the image."""
    from src.net import attribution
    from src.plot.overlay import overlay

    classes = subject.classes
    scores = attribution.Scores(subject.net, classes=len(classes or ()) == 2)
    number, outputs = _number(scores, x_1CHW, classes, target)
    layer = {} if view.layer is None else {"layer": view.layer}
    value_HW = getattr(attribution, view.method)(scores, x_1CHW, target=number, **layer)
    nameless = f"output {number}" if outputs > 1 else "the prediction"
    what = nameless if classes is None else classes[number]
    where = f", {view.layer}" if view.layer else ""
    whose = "" if target or outputs == 1 else " (predicted)"
    title = f"{view.method}{where} for {what}{whose}, {_title(view)}"
    return overlay(subject.pixels(x_1CHW).numpy(), value_HW.numpy(), title=title)


def _number(
    scores: "nn.Module", x_1CHW: "Tensor", classes: Sequence[str] | None, target: str | None
) -> tuple[int, int]:
    """Return the number of the output to explain, and how many there are."""
    import torch

    with torch.no_grad():
        score_K = scores(x_1CHW)[0]
    if target is None:
        return int(score_K.argmax()), len(score_K)
    names = classes or [str(number) for number in range(len(score_K))]
    if target not in names:
        near = get_close_matches(target, names, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"target={target}: no such class: {hint}(choose from {', '.join(names)})")
    return list(names).index(target), len(score_K)


def _title(view: View) -> str:
    from src.data.read.readable import readable

    return readable(view.source.name) if isinstance(view.source, Path) else "/".join(map(str, view.source or ()))


def _clean(text: str) -> str:
    return re.sub(r"[^\w.]+", "_", text)


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _size(x_CHW: "Tensor") -> str:
    return " x ".join(map(str, x_CHW.shape[1:]))


if __name__ == "__main__":
    main()
