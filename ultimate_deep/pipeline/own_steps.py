"""The steps of a user's own, at most one `Steps`, which a plugin has registered."""

from typing import Any

OWN_STEPS: list[Any] = []
