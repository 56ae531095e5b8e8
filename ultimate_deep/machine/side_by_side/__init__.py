"""Independent tasks, several at a time: the same results on any number of workers."""
