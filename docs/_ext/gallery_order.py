"""The order of the gallery: first use, then training, then a closer look."""

from sphinx_gallery.sorting import ExplicitOrder

_ORDER = (
    # Use a classifier.
    "plot_quickstart.py",
    "plot_photo_folder.py",
    "plot_coarse_to_fine.py",
    "plot_top5_beside_softmax.py",
    "plot_swap_labels.py",
    # Answers that can be trusted.
    "plot_seen_and_unseen.py",
    "plot_unknown_labels.py",
    "plot_calibration.py",
    "plot_hierarchical_precision.py",
    # Choose and train.
    "plot_all_systems.py",
    "plot_training.py",
    "plot_margin_search.py",
    "plot_fine_tuning.py",
    "plot_wrappers.py",
    # Word vectors and labels.
    "plot_label_map.py",
    "plot_word_vectors.py",
    "plot_shapes.py",
    "plot_search.py",
    "plot_dask.py",
    "plot_serving.py",
    "serve.py",
)


class GalleryOrder(ExplicitOrder):
    """Sorts the examples as listed above. Other files come last."""

    def __init__(self, src_dir=None):
        super().__init__([*_ORDER, "*"])
