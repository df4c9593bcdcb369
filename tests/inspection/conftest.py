import pytest


@pytest.fixture(autouse=True)
def close_figures():
    """Draw without a screen, and free the figures. Without matplotlib, tests are skipped."""
    plt = pytest.importorskip("matplotlib.pyplot", reason="The displays need matplotlib.")
    plt.switch_backend("agg")
    yield
    plt.close("all")
