"""What holds of all files of src: names that occur once, one atomic write, one lock, private names in their files."""

import ast
from collections import Counter
from collections.abc import Iterator

from tests.conftest import ROOT

FILES = {path.relative_to(ROOT / "src").as_posix(): path for path in sorted((ROOT / "src").rglob("*.py"))}
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in FILES.items()}
PRIVATE = {  # the one file for private names of each library
    "fit/quick.py": "lightning",
    "net/compiled.py": "torch",
    "task/metric_state.py": "torchmetrics",
    "search/study.py": "optuna",
    "sweep/submitit.py": "submitit",
}
PUBLIC = {"_exit", "_replace", "_fields", "_asdict"}  # of the standard library, by its documentation


def test_no_file_name_occurs_twice() -> None:
    count = Counter(path.name for path in FILES.values() if path.name != "__init__.py")
    assert [name for name, times in count.items() if times > 1] == []


def test_one_file_alone_writes_files_whole() -> None:
    """It waits for the disk and moves into place; elsewhere only a checkpoint is moved, to be the one before it."""
    waits = {name for name, tree in TREES.items() if any(attribute(node) == "fsync" for node in ast.walk(tree))}
    moves = {name for name, tree in TREES.items() if any(map(is_move, ast.walk(tree)))}
    assert (waits, moves) == ({"run/write.py"}, {"run/write.py", "run/checkpoint_io.py"})


def test_whatever_is_written_is_written_whole() -> None:
    """But for a new person's folder and a temporary one; the formats of an export are given a file of run/write.py."""
    found = {name for name, tree in TREES.items() if writes(tree) - whole(tree)}
    assert found == {"new.py", "sweep/local_gpus.py", "export.py"}


def writes(tree: ast.AST) -> set[ast.AST]:
    """The calls that write a file by its path."""
    names = {"write_text", "write_bytes", "savefig", "savez_compressed"}
    calls = {node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    opened = {node for node in calls if attribute(node.func) == "open" and any(map(is_for_writing, node.args))}
    return opened | {node for node in calls if attribute(node.func) in names}


def is_for_writing(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and str(node.value)[:1] in ("w", "x")


def whole(tree: ast.AST) -> set[ast.AST]:
    """What stands in a block or an assignment that gets a file of src.run.write."""
    kinds = (ast.With, ast.Assign)
    blocks = [node for node in ast.walk(tree) if isinstance(node, kinds) and "whole(" in ast.unparse(node)]
    return {node for block in blocks for node in ast.walk(block)}


def attribute(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else ""


def is_move(node: ast.AST) -> bool:
    """Whether a node is a call of os.replace, os.rename, shutil.move or the like of a path; no str.replace."""
    if not isinstance(node, ast.Call):
        return False
    is_module = ast.unparse(node.func) in ("os.replace", "os.rename", "os.renames", "shutil.move")
    return is_module or (attribute(node.func) in ("replace", "rename") and len(node.args) == 1 and not node.keywords)


def test_locks_are_filelocks() -> None:
    assert [name for name, tree in TREES.items() if "fcntl" in imported(tree)] == []


def test_private_names_of_libraries_stand_in_one_file_each() -> None:
    assert {name for name, tree in TREES.items() if list(private(tree))} == set(PRIVATE)


def imported(tree: ast.Module) -> set[str]:
    """The modules and names that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            found |= {node.module or "", *(alias.name for alias in node.names)}
    return found


def private(tree: ast.Module) -> Iterator[str]:
    """Yield what a file takes of others that begins with an underscore: modules, names, attributes, arguments."""
    own = {name for node in ast.walk(tree) for name in defined(node)} | PUBLIC
    for name in imported(tree):
        yield from (part for part in name.split(".") if is_private(part))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and node.attr not in own:
            yield ast.unparse(node)
        if isinstance(node, ast.keyword) and node.arg and is_private(node.arg) and node.arg not in own:
            yield node.arg
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and is_private(name.value) and name.value not in own:
                yield name.value


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("_") and name.strip("_") != ""


def defined(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node of a file gives to things of its own."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    if isinstance(node, ast.arg):
        yield node.arg
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    if (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and ast.unparse(node.value) in ("self", "cls")
    ):
        yield node.attr
