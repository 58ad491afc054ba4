"""sign-toolkit: word-level sign recognition on weak PCs."""

from __future__ import annotations

from toolkit.errors import ToolkitError

__all__ = ["ToolkitError"]
