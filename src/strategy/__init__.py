"""How hardware is used: the devices and the processes of a run, and what they tell each other."""
