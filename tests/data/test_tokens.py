"""Texts as tokens: what they are cut into, and numbers that follow from a token alone."""

import unicodedata

import pytest
import torch

from src.data.read.tokens import hashed, tokens

CUT = {
    "word": ("Don't stop, 고양이!", ["don", "'", "t", "stop", ",", "고양이", "!"]),
    "character": ("A 가", ["A", " ", "가"]),
    "byte": ("é!", ["\xc3", "\xa9", "!"]),
}


@pytest.mark.parametrize("unit", CUT)
def test_a_text_is_cut_into_its_units(unit: str) -> None:
    text, expected = CUT[unit]
    assert list(tokens(text, unit)) == expected


@pytest.mark.parametrize("unit", ["word", "character"])
def test_a_syllable_that_is_stored_as_its_letters_is_the_same_token(unit: str) -> None:
    apart = unicodedata.normalize("NFD", "고양이")
    assert apart != "고양이"
    assert list(tokens(apart, unit)) == list(tokens("고양이", unit))


def test_equal_tokens_have_equal_numbers_wherever_they_stand_and_others_have_others() -> None:
    token_NL = hashed(["the cat saw the dog", "a dog"], unit="word", length=6)
    assert token_NL.shape == (2, 6)
    assert token_NL[0, 0] == token_NL[0, 3]
    assert token_NL[0, 4] == token_NL[1, 1]
    assert len(token_NL[token_NL != 0].unique()) == 5  # the, cat, saw, dog, a
    assert torch.equal(token_NL[1, 2:], torch.zeros(4, dtype=torch.long))
    assert torch.equal(token_NL[:1], hashed(["the cat saw the dog"], unit="word", length=6))


def test_a_longer_text_is_cut_to_its_length() -> None:
    assert torch.equal(hashed(["a b c"], unit="word", length=2), hashed(["a b"], unit="word", length=2))
