"""The built site, for the tests that read it."""

from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "docs/_build/html"


@pytest.fixture(scope="session")
def site():
    """Find the built site: Path."""
    if not (SITE / "index.html").exists():
        pytest.skip("The site is not built. Run `make docs`.")
    return SITE


@pytest.fixture(scope="session")
def pages(site):
    """List all pages, relative to the site."""
    pages = (path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    return sorted(page for page in pages if not page.startswith("_static/"))
