"""Colours that people with any colour vision tell apart (Okabe and Ito 2008), and what each stands for."""

BLUE, VERMILLION, GREEN, ORANGE, BLACK = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#000000"
SPLIT = {"train": BLUE, "val": ORANGE, "test": GREEN}
WRONG = VERMILLION
