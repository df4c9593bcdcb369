"""Where what can be made or fetched again is kept between sessions."""

import os
from pathlib import Path


def home(*parts):
    """Give a path in the user's folder of skdevise; nothing is made there.

    Parameters
    ----------
    *parts : str
        Names below it.

    Returns
    -------
    Path
        In `$SKDEVISE_HOME`, or `~/.cache/skdevise` where that is not set.

    Examples
    --------
    >>> home("data").name
    'data'
    """
    folder = os.environ.get("SKDEVISE_HOME") or Path.home() / ".cache" / "skdevise"
    return Path(folder, *parts).expanduser()
