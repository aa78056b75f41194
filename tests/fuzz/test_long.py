"""What random examples try in seconds, tried for an hour: FUZZ_SECONDS=600 python -m pytest -m soak tests/fuzz."""

import pytest

from tests.fuzz import test_events, test_texts, test_trees, test_typed  # noqa: F401  # their claims
from tests.fuzz.claim import CLAIMS, try_long


@pytest.mark.soak
@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_holds_for_long(name: str) -> None:
    assert try_long(CLAIMS[name]) > 0
