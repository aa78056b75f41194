"""Makes a dataset out of a function that reads its samples: a call that gives the LightningDataModule."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, Protocol

from src.data.collection import Read
from src.data.facts import Facts
from src.data.header import Header
from src.data.keep.keeping import Keeping
from src.data.load.loading import Loading
from src.data.module import Data
from src.data.split.splitting import Splitting
from src.data.tokenizing import Tokenizing
from src.data.transform.transforming import Transforming

OWNERS: dict[str, Callable[..., Any]] = {  # of the settings, by the argument of Data
    "facts": Facts,
    "header": Header,
    "tokenizing": Tokenizing,
    "splitting": Splitting,
    "keeping": Keeping,
    "transforming": Transforming,
    "loading": Loading,
}


class Dataset(Protocol):
    """A call with the reader's own arguments and the settings of the OWNERS.

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
    """Return a decorator for `read(*, split, ...)`, which gives (images, targets) of an official split, or groups too.

    In a config the dataset takes what `read` takes, beside `split`, and the settings of the OWNERS, each under its own
    name. What both take, both get. `facts(**settings)` gives values for the settings that `tells` names, such as the
    class names that a folder holds; the check before compute asks for them where one of these is null, which none of
    them is afterwards. What else `facts` gives that is not None is set too.
    """

    def decorate(read: Read) -> Dataset:
        own = {name: p for name, p in inspect.signature(read).parameters.items() if name != "split"}
        owned = {name: p for owner in OWNERS.values() for name, p in inspect.signature(owner).parameters.items()}
        parameters = {name: p.replace(kind=p.KEYWORD_ONLY) for name, p in (owned | own).items()}
        signature = inspect.Signature(list(parameters.values()), return_annotation=Data)

        @wraps(read)
        def build(**settings: Any) -> Data:
            signature.bind(**settings)  # raises TypeError for what neither takes
            owners = {name: owner(**_of(owner, settings)) for name, owner in OWNERS.items()}
            return Data(partial(read, **_of(read, settings)), **owners)

        build.__signature__ = signature  # type: ignore[attr-defined]
        build.__annotations__ = {name: p.annotation for name, p in parameters.items()}
        build.read, build.facts, build.tells = read, facts, tells  # type: ignore[attr-defined]
        return build  # type: ignore[return-value]

    return decorate


def _of(call: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the settings that a call takes."""
    names = inspect.signature(call).parameters
    return {name: value for name, value in settings.items() if name in names}


# Where files are, how many read them and what is kept of them; what a picture's axes are called.
dataset.changes_no_result = ("data_dir", "workers", "cache", "axes")  # type: ignore[attr-defined]
