"""Where this package keeps what it made once and can make again: networks it built, checks of this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """SIGN_TOOLKIT_CACHE, or the user's cache folder on this system."""
    chosen = os.environ.get("SIGN_TOOLKIT_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    try:
        from platformdirs import user_cache_path
    except ImportError:  # in a bundle (export/bundle.py), which does without
        return Path(tempfile.gettempdir()) / "sign-toolkit"
    return user_cache_path("sign-toolkit", appauthor=False)
