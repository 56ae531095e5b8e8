"""This computer: atomic files, thread pools, memory, tasks side by side."""
