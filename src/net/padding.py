"""What every net that reads tokens agrees on: their numbers."""

PADDING, UNKNOWN = 0, 1  # the numbers of what fills a text up, and of tokens that are not in the vocabulary


def check_vocabulary(vocabulary: int | None, net: str) -> int:
    """Return the number of tokens that data state; raises ValueError where they are no text."""
    if vocabulary is None:
        raise ValueError(f"{net} needs data.vocabulary, and these data are no text: choose another model, or data=text")
    return vocabulary
