"""An object as the API server speaks it, and who we are in it."""

from typing import Any

Object = dict[str, Any]
"""JSON."""

FIELD_MANAGER = "gitops-prefix"
"""DESIGN 6: never a name that begins with `kubectl`, which Flux takes over."""
