"""From files as vendors write them to bars: what is what is found by content, said, or refused."""
