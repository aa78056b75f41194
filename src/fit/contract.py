"""What a model, a data module or a loader may offer beyond what Lightning asks for, and how to ask for it.

Everything here is optional. Code that wants more of a thing than Lightning promises asks `offers`, and does without in
one line, or calls `needs`, which refuses in one line. Nothing else in the project looks at the class of a model, of
data or of a loader.

Shapes: B batch, N samples, C channels, H height, W width, K outputs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol, TypeGuard, TypeVar, runtime_checkable

from torch import Tensor, nn

Offer = TypeVar("Offer")


@runtime_checkable
class Net(Protocol):
    """A model whose architecture is one plain module: src.explain, src.export, the graph, weights to start from."""

    net: nn.Module


@runtime_checkable
class Imaginable(Net, Protocol):
    """A model that follows from its config: tried on zeros before compute, its net started from model.weights."""

    is_imaginable: bool


@runtime_checkable
class Parallel(Net, Protocol):
    """A model that calls its net through `runner`, where a strategy has set one: trainer.strategy=dp."""

    runner: Callable[[Tensor], Tensor] | None


@runtime_checkable
class Merged(Protocol):
    """A model that may train by something faster than its net until `unmerge`: layers that hooks listen to."""

    def unmerge(self) -> None:
        """Train by the net itself from now on."""


@runtime_checkable
class Scored(Protocol):
    """A model that says before it trains which scores it logs: `split/metric`."""

    score_names: tuple[str, ...]


@runtime_checkable
class Predicting(Scored, Protocol):
    """A model that says what its outputs mean: probabilities, or numbers of a regression."""

    def predict(self, output_BK: Tensor) -> Tensor:
        """Return what the metrics score."""


@runtime_checkable
class Scaled(Predicting, Protocol):
    """A model whose outputs may be of another scale than what they stand for: its mean and std; None where not."""

    units: tuple[list[float], list[float]] | None


@runtime_checkable
class Formed(Predicting, Protocol):
    """A model that says the form of what it predicts: classes, labels, numbers or masks."""

    form: str


@runtime_checkable
class Splits(Protocol):
    """Data that say which of train, val and test there are."""

    splits: tuple[str, ...]


@runtime_checkable
class Described(Protocol):
    """Data that state their facts: the shape of a sample, the names of the classes (None: numbers), the task."""

    shape: tuple[int, ...]
    classes: list[str] | None
    task: str


@runtime_checkable
class Numbered(Described, Protocol):
    """Data that name the numbers to predict."""

    target_names: list[str]


@runtime_checkable
class Tabular(Numbered, Protocol):
    """Data that may be rows of a table, and say what its columns are."""

    header: Any  # with `inputs`, None where they are none
    normalize: Any

    def takes_table(self, source: str) -> bool:
        """Whether `source` is a table of samples."""


@runtime_checkable
class Preprocessing(Protocol):
    """A way from an image to the batch that the net wants: image files as input."""

    def preprocess(self, image: Any) -> Tensor:
        """Return a batch (1, C, H, W) for an image, PIL or uint8 (C, H, W)."""


@runtime_checkable
class Readable(Described, Splits, Preprocessing, Protocol):
    """Data whose samples can be had in order, by name, and as they are stored: predictions, pictures, embeddings."""

    indices: dict[str, Tensor]
    normalize: Any  # from stored samples to what the net sees, with `invert` and `affine`

    def in_order(self, split: str, *, whole: bool = False) -> "Batched":
        """Return every sample of a split once, in order, as the net sees it."""

    def samples(self, split: str, positions: Sequence[int]) -> Tensor:
        """Return stored samples (N, C, H, W) or (N, D)."""

    def names(self, split: str) -> list[str]:
        """Return what to call each sample of a split."""


@runtime_checkable
class Fingerprinted(Protocol):
    """Data that can say what they are in a few characters."""

    def fingerprints(self) -> dict[str, str]:
        """Return the sha256 of each split read so far."""


@runtime_checkable
class Streamed(Protocol):
    """Data that need not keep their samples in memory, where a look at a few is meant."""

    def stream(self) -> None:
        """Keep none from now on, and start no process to read them."""


@runtime_checkable
class Recorded(Protocol):
    """Data whose run folder lists the samples of each split: they stay in it, whatever is added, renamed or removed."""

    def recorded_split(self, run: Path, *, trains: bool = False, like: Path | None = None) -> None:
        """Divide the samples as they are listed in the folder `run`, or before it has a list in `like`.

        A run that `trains` writes its list there, and refuses where its training samples are gone or changed.
        """


@runtime_checkable
class Stateful(Protocol):
    """A loader that can go on amid an epoch by itself: torchdata's, litdata's."""

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader is."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on there."""


@runtime_checkable
class Batched(Protocol):
    """A loader whose batches are known by number: cut by (seed, epoch, step), shared by `ranks` processes."""

    start: int
    batches: int
    batch_size: int
    ranks: int

    def size(self, number: int) -> int:
        """Return the number of samples in batch `number`, those of all processes together."""

    def count(self, number: int) -> int:
        """Return how many of them this process is to count."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches one by one."""


def follow(data: object, config: Mapping[str, Any], *, trains: bool = False) -> None:
    """Let data that can divide their samples as the run of `config` lists them, or the one that it runs again."""
    if config.get("run") and offers(data, Recorded):
        again = config.get("rerun")
        data.recorded_split(Path(config["run"]), trains=trains, like=Path(again) if again else None)


def offers(thing: object, protocol: type[Offer]) -> TypeGuard[Offer]:
    """Whether `thing` has everything that `protocol` names."""
    return not missing(thing, protocol)


def needs(thing: Any, protocol: type[Offer], *, for_: str) -> Offer:
    """Return `thing`, which offers `protocol`; raises ValueError in one line that says what to add, and `for_` what."""
    if lacking := missing(thing, protocol):
        purpose = (protocol.__doc__ or "").partition(":")[0]
        raise ValueError(
            f"{for_}: {type(thing).__module__}.{type(thing).__qualname__} has no {', '.join(lacking)}: it needs "
            f"{purpose[0].lower()}{purpose[1:]}: add {lacking[0]} to the class, or leave {for_} out"
        )
    return thing


def overrides(thing: object, base: type, hook: str) -> bool:
    """Whether `thing` has a hook of its own, in its class or set on it, and not the one of `base` that does nothing.

    A hook that is None was taken away because it does nothing.
    """
    return getattr(thing, hook) is not None and (
        hook in vars(thing) or getattr(type(thing), hook) is not getattr(base, hook)
    )


def missing(thing: object, protocol: type) -> list[str]:
    """Return the names that `protocol` asks for and `thing` does not have."""
    return [name for name in _members(protocol) if not _has(thing, name)]


def _has(thing: object, name: str) -> bool:
    try:
        getattr(thing, name)
    except Exception:  # a property of theirs that has nothing yet to look at
        return False
    return True


@cache
def _members(protocol: type) -> list[str]:
    """Return the attributes and methods of a Protocol, its own before those of its bases."""
    own = [kind for kind in protocol.__mro__ if Protocol in kind.__bases__]
    names = [name for kind in own for name in (*vars(kind).get("__annotations__", ()), *vars(kind))]
    return list(dict.fromkeys(name for name in names if not name.startswith("_")))
