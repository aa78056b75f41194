"""What people look at after runs: tables, curves and one page over many of them."""
