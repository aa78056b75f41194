"""What is predicted: the shape of an output, the loss, the form of targets and predictions, metrics by name."""
