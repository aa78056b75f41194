"""The vocabulary of the training split: the most frequent tokens, and nothing of any other text."""

from collections import Counter

import pytest

from src.data.read.tokens import hashed, tokens
from src.data.transform.vocabulary import Vocabulary

TEXTS = ["the cat and the dog", "the dog and the bird", "the cat", "a fish"]
LENGTH = 6


def learnt(size: int = 100) -> Vocabulary:
    vocabulary = Vocabulary(size)
    vocabulary.learn(hashed(TEXTS, unit="word", length=LENGTH))
    return vocabulary


def numbers(vocabulary: Vocabulary, text: str) -> list[int]:
    return vocabulary(hashed([text], unit="word", length=LENGTH))[0].tolist()


def test_more_frequent_tokens_have_smaller_numbers_and_those_seen_once_none() -> None:
    counts = Counter(token for text in TEXTS for token in tokens(text, "word"))
    number = {token: numbers(learnt(), token)[0] for token in counts}
    assert {token for token in counts if number[token] == 1} == {"bird", "a", "fish"}
    assert number["the"] == 2
    assert {number["cat"], number["and"], number["dog"]} == {3, 4, 5}


def test_no_more_tokens_are_known_than_its_size_has_room_for() -> None:
    assert [numbers(learnt(3), word) for word in ("the", "cat", "dog")] == [[2], [1], [1]]


def test_a_token_that_training_does_not_have_is_unknown() -> None:
    assert numbers(learnt(), "the whale") == [2, 1]


def test_columns_of_padding_alone_are_left_out() -> None:
    number_BL = learnt()(hashed(["the cat", "the", ""], unit="word", length=LENGTH))
    assert number_BL.shape == (3, 2)
    assert number_BL[1].tolist() == [2, 0]
    assert number_BL[2].tolist() == [0, 0]


def test_what_another_one_has_learnt_gives_the_same_numbers() -> None:
    other = Vocabulary(100)
    assert not other
    other.know(learnt().token_V)
    assert numbers(other, "the dog and a whale") == numbers(learnt(), "the dog and a whale")


def test_texts_in_which_nothing_occurs_twice_are_refused() -> None:
    with pytest.raises(ValueError, match="no token occurs 2 times in the training texts"):
        Vocabulary(10).learn(hashed(["a b", "c d"], unit="word", length=2))
