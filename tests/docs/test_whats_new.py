"""The page of changes is converted from Markdown."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs/_ext/whats_new.py"


def test_markdown_becomes_rst():
    spec = importlib.util.spec_from_file_location("whats_new", SCRIPT)
    whats_new = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(whats_new)
    text = '## New\n\n- **Files.** `a*b`, ``c``, "*.gz", [here](https://x.org) and [there](y.md).'
    expected = '- **Files.** ``a*b``, ``c``, "\\*.gz", `here <https://x.org>`__ and there.'
    assert whats_new.to_rst(text) == f"New\n---\n\n{expected}"
