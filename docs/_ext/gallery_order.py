"""The order of the gallery: the quick start is first, and longer examples follow."""

from sphinx_gallery.sorting import ExplicitOrder

_ORDER = (
    "plot_quickstart.py",
    "plot_swap_labels.py",
    "plot_margin_search.py",
    "plot_training.py",
    "plot_top5_beside_softmax.py",
    "plot_label_map.py",
    "plot_shapes.py",
    "plot_serving.py",
    "serve.py",
)


class GalleryOrder(ExplicitOrder):
    """Sorts the examples as listed above. Other files come last."""

    def __init__(self, src_dir=None):
        super().__init__([*_ORDER, "*"])
