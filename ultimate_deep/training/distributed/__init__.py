"""One net on several processes."""
