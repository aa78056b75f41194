"""Colours and sizes of all pictures."""

# Okabe and Ito (2008), told apart with any colour vision:
# black, orange, sky blue, green, yellow, blue, vermilion, purple
COLORS = ("#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#999999"
BLACK = "#000000"
SPLIT = {"train": BLUE, "val": ORANGE, "test": GREEN}
WRONG = VERMILION
