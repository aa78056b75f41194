"""How samples are kept between batches: their size, in memory, in the cache of the machine."""
