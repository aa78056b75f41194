"""Makes a dataset out of a function that reads its samples: a call that gives the LightningDataModule."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, Protocol

from src.data.module import Data, Read


class Dataset(Protocol):
    """A call with the reader's own arguments and those of `Data`.

    `read` is the reader; `facts(**settings)` gives values for the settings that `tells` names.
    """

    read: Read
    facts: Callable[..., Mapping[str, Any]]
    tells: tuple[str, ...]

    def __call__(self, **settings: Any) -> Data:
        """Return the data module."""
        ...


def _no_facts(**settings: Any) -> dict[str, Any]:
    return {}


def dataset(
    *, facts: Callable[..., Mapping[str, Any]] = _no_facts, tells: tuple[str, ...] = ()
) -> Callable[[Read], Dataset]:
    """Return a decorator for `read(*, split, ...)`, which gives (images, targets) of an official split.

    In a config the dataset takes what `read` takes, beside `split`, and what `Data` takes, each under its own name.
    What both take, both get. `facts(**settings)` gives values for the settings that `tells` names, such as the class
    names that a folder holds; the check before compute asks for them where one of these is null.
    """

    def decorate(read: Read) -> Dataset:
        own = {name: p for name, p in inspect.signature(read).parameters.items() if name != "split"}
        served = {name: p for name, p in inspect.signature(Data).parameters.items() if name != "read"}
        parameters = {name: p.replace(kind=p.KEYWORD_ONLY) for name, p in (served | own).items()}
        signature = inspect.Signature(list(parameters.values()), return_annotation=Data)

        @wraps(read)
        def build(**settings: Any) -> Data:
            signature.bind(**settings)  # raises TypeError for what neither takes
            reads = {name: value for name, value in settings.items() if name in own}
            return Data(partial(read, **reads), **{name: settings[name] for name in settings if name in served})

        build.__signature__ = signature  # type: ignore[attr-defined]
        build.__annotations__ = {name: p.annotation for name, p in parameters.items()}
        build.read, build.facts, build.tells = read, facts, tells  # type: ignore[attr-defined]
        return build  # type: ignore[return-value]

    return decorate


# Where files are, how many read them and what is kept of them; what a picture's axes are called.
dataset.changes_no_result = ("data_dir", "workers", "cache", "axes")  # type: ignore[attr-defined]
