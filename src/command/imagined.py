"""A model that follows from its config alone, tried without memory or data: its optimizer, schedule and net."""

import copy
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from src.config.allow import resolve
from src.config.build import build
from src.config.plain import plain

SIZES = (8, 16, 28, 32, 48, 64, 96, 128, 160, 224, 299)  # image sizes to try for a cure


def imagined(config: DictConfig, resolved: Mapping[str, Any]) -> Any:
    """Return the model of a run's config; raises ValueError, in one line with the cure, for what of it cannot work."""
    _check_optimizer(resolved)
    _check_schedule(resolved["model"])
    model = _check_model(config, resolved)
    _check_parameters(resolved, model)
    _check_loss(resolved, model)
    return model


def _check_schedule(model: Mapping[str, Any]) -> None:
    """Let a schedule that the model makes judge its numbers on one parameter."""
    import torch

    from src.model.stepping import Stepping

    target: Any = resolve(model["_target_"])
    if "stepping" not in getattr(target, "owners", ()) or not model.get("scheduler"):
        return
    try:
        optimizer = build(model["optimizer"])([torch.nn.Parameter(torch.zeros(1, 1))])
        stepping = Stepping(interval=model.get("interval"), mode=model.get("mode"))
        stepping.planned(build(model["scheduler"]), optimizer, steps=lambda: 1000)
    except (ValueError, TypeError) as error:
        raise ValueError(str(error) if str(error).startswith("scheduler.") else f"scheduler: {error}") from error


def _check_optimizer(resolved: Mapping[str, Any]) -> None:
    """Let the optimizer's constructor judge its numbers on one parameter, and take a step."""
    import torch

    from src.fit.combination import check_step

    optimizer = resolved["model"].get("optimizer")
    if not optimizer:
        return
    try:
        check_step(build(optimizer)([torch.nn.Parameter(torch.zeros(1, 1))]), resolved.get("trainer") or {})
    except (ValueError, RuntimeError, TypeError) as error:
        raise ValueError(f"optimizer: {error}") from error


def _check_parameters(resolved: Mapping[str, Any], model: Any) -> None:
    """Raise where an optimizer takes a matrix and not what else the net learns, as Muon."""
    import torch

    optimizer = resolved["model"].get("optimizer")
    for dimensions in sorted({weight.ndim for weight in model.parameters() if weight.requires_grad and optimizer}):
        try:
            build(optimizer)([torch.nn.Parameter(torch.zeros((1,) * dimensions))])
        except ValueError as error:
            raise ValueError(
                f"optimizer._target_={optimizer['_target_']}: it takes no parameters of {dimensions} dimensions, which "
                f"the net has: choose another, such as optimizer=adamw"
            ) from error


def _check_loss(resolved: Mapping[str, Any], model: Any) -> None:
    """Raise where a loss makes no single number of outputs and targets of its task."""
    import torch

    if "task" not in getattr(model, "owners", ()):  # somebody's own
        return
    _, label_N = model.task.example()
    if label_N.ndim > 2:  # of pixels
        return
    name = f"model.loss={type(model.loss).__name__}"
    output_2K = torch.zeros(2, model.task.outputs, device="meta")
    try:
        loss = model.loss(model.task.output(output_2K), model.task.target(label_N[:2].to("meta")))
    except NotImplementedError:  # it reads numbers, and there are none here
        return
    except Exception as error:  # whatever a loss raises for what it cannot judge
        task = resolved["data"].get("task")
        raise ValueError(
            f"{name}: it cannot judge data.task={task} ({error}): choose another, or leave it out"
        ) from error
    if isinstance(loss, torch.Tensor) and loss.ndim:
        raise ValueError(
            f"{name}: it gives {list(loss.shape)} numbers for two samples, not one: model.loss.reduction=mean"
        )


def _check_model(config: DictConfig, resolved: Mapping[str, Any]) -> Any:
    """Send an imaginary batch through the model and return it; say what cures a shape it cannot take."""
    if resolved["data"].get("graph") and "graph" not in (resolved["model"].get("net") or {}):
        raise ValueError(
            "model.net takes no data.graph, without which a node is a mere number: choose a model of graphs, model=gcn"
        )
    if resolved["data"].get("unit") and "vocabulary" not in (resolved["model"].get("net") or {}):
        raise ValueError(
            "model.net takes no data.vocabulary, and the tokens of a text are numbers of it: choose a net of texts, "
            "model=rnn or model=transformer"
        )
    try:
        return _imaginary_model(resolved)
    except Exception as error:  # whatever a net raises for a shape it cannot take
        shape = resolved["data"].get("shape")
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if shape is None or not _is_about_shape(error):
            raise ValueError(f"model: {reason}") from error
        raise ValueError(f"model.net cannot take data.shape={shape} ({reason}): {_cure(config, shape)}") from error


def _is_about_shape(error: Exception) -> bool:
    return isinstance(error, RuntimeError) or "shape" in str(error) or "channel" in str(error)


def _imaginary_model(resolved: Mapping[str, Any]) -> Any:
    """Return the model, built without memory or arithmetic (torch's meta device) and called on a batch of two.

    One that reads numbers out of tensors while it is built, as torchvision's RegNets do, is built in earnest.
    """
    try:
        return _called(resolved, "meta")
    except NotImplementedError:  # what torch raises where a tensor without numbers is to give one
        return _called(resolved, "cpu")


def _called(resolved: Mapping[str, Any], device: str) -> Any:
    import torch

    with torch.device(device):
        model = build(resolved["model"])
        shape = resolved["data"].get("shape")
        if shape is not None:
            model(torch.zeros(2, *shape))
    return model


def _cure(config: DictConfig, shape: list[int]) -> str:
    """Return the override that makes the net take the data, tried out."""
    if len(shape) != 3:
        return "choose a fully connected net, model=fashion_dnn or model=softmax_regression"
    trial = copy.deepcopy(config)
    for size in SIZES:
        OmegaConf.update(trial, "data.image_size", size)
        try:
            _imaginary_model(plain(trial))
        except Exception:  # this size does not cure it
            continue
        return f"set data.image_size={size}"
    return "choose another model"
