"""Texts that are taken as they are: by Hydra's grammar in quotes, by OmegaConf with its interpolations escaped."""

import re


def in_quotes(value: str) -> str:
    """Return a value in the quotes and with the escapes that make Hydra take it verbatim."""
    escaped = re.sub(r'(\\*)("|$)', lambda m: m[1] * 2 + ('\\"' if m[2] else ""), value)
    return f'"{escaped}"'


def literal(value: str) -> str:
    """Return a value in which OmegaConf replaces nothing: `${` of a file's or a class's name is two characters."""
    return re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", value)
