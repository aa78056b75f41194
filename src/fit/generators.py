"""The three generators that code draws from without naming one, of torch, numpy and random: states and streams."""

import random
from typing import Any

import numpy as np
import torch

States = dict[str, Any]


def random_states() -> States:
    """Return the states of the three generators that code draws from without naming one, as plain data."""
    name, keys, place, has_gauss, gauss = np.random.get_state(legacy=True)
    version, inner, next_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "numpy": [name, torch.tensor(keys.tolist()), place, has_gauss, gauss],  # type: ignore[union-attr]
        "random": [version, list(inner), next_gauss],
    }


def set_random_states(states: States) -> None:
    """Put the generators where `random_states` found them."""
    name, keys, place, has_gauss, gauss = states["numpy"]
    version, inner, next_gauss = states["random"]
    torch.set_rng_state(states["torch"])
    np.random.set_state((name, keys.numpy().astype(np.uint32), place, has_gauss, gauss))
    random.setstate((version, tuple(inner), next_gauss))


class Streams:
    """Inside a `with`, torch, numpy and random draw from streams of their own, which go on in the next `with`."""

    def __init__(self, *key: int):
        seeds = [int(seed) for seed in np.random.SeedSequence(key).generate_state(3)]
        torch_state = torch.Generator().manual_seed(seeds[0]).get_state()
        numpy_state, python_state = np.random.RandomState(seeds[1]).get_state(), random.Random(seeds[2]).getstate()
        self._inside: tuple[Any, ...] = torch_state, numpy_state, python_state
        self._outside: tuple[Any, ...] = ()

    def __enter__(self) -> None:
        self._outside = _taken()
        _put(self._inside)

    def __exit__(self, *error: object) -> None:
        self._inside = _taken()
        _put(self._outside)

    def states(self) -> States:
        """Return where the streams are, as plain data."""
        with self:
            return random_states()

    def go_on(self, states: States) -> None:
        """Go on where `states` were."""
        with self:
            set_random_states(states)


def _taken() -> tuple[Any, ...]:
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def _put(states: tuple[Any, ...]) -> None:
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])
