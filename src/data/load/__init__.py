"""How samples become batches: their order, their number, who computes which part."""
