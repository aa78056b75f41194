"""What a class or function says of itself in its source: read, not run, so that it costs no import of torch.

    class Histograms(lightning.Callback):
        changes_no_result = True  # or the names of arguments: ("workers", "cache")

A class says it in its body, a function below it (`function.changes_no_result = ...`); what a decorator makes of
functions, such as `dataset`, says what the decorator says.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from src.config.own import working_folder

FRAMEWORK = Path(__file__).parents[1]
LIBRARIES = ("torch", "torchvision", "torchmetrics", "lightning")  # which know nothing of this


def declared(target: object, name: str) -> Any:
    """Return what the class or function called `target` gives for `name`, () where it gives nothing, or is not found.

    The value is a literal: anything else stands for nothing.
    """
    module, _, thing = str(target).rpartition(".")
    return _declared(module, thing, name) if module and module.partition(".")[0] not in LIBRARIES else ()


@cache
def _declared(module: str, thing: str, name: str) -> Any:
    for node in _body(module):
        if isinstance(node, ast.ClassDef) and node.name == thing:
            return _value(node.body, name)
        if isinstance(node, ast.FunctionDef) and node.name == thing:
            said = _value(_body(module), f"{thing}.{name}")
            decorators = [_name(d.func if isinstance(d, ast.Call) else d) for d in node.decorator_list]
            return said or next((value for d in decorators if (value := _imported(module, d, name))), ())
    return ()


def _imported(module: str, thing: str, name: str) -> Any:
    """Return what is declared for `thing` where `module` has it from."""
    for node in _body(module):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                if thing == (alias.asname or alias.name):
                    return _declared(node.module, alias.name, name)
    return _declared(module, thing, name) if thing else ()


def _value(body: list[ast.stmt], name: str) -> Any:
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if name in map(_name, targets) and node.value is not None:  # type: ignore[attr-defined]
            try:
                return ast.literal_eval(node.value)  # type: ignore[attr-defined]
            except ValueError:
                return ()
    return ()


def _name(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""


@cache
def _body(module: str) -> list[ast.stmt]:
    for path in _places(module):
        try:
            return ast.parse(path.read_bytes()).body
        except (OSError, SyntaxError, ValueError):
            continue
    return []


def _places(module: str) -> Iterator[Path]:
    """Yield where the source of a module may lie, as Python would look for it."""
    first, *rest = module.split(".")
    for root in (
        [FRAMEWORK] if first == "src" else [Path(folder, first) for folder in (str(working_folder()), *sys.path)]
    ):
        place = root.joinpath(*rest)
        yield from (place.with_name(f"{place.name}.py"), place / "__init__.py")
