"""A display of photos with their ranked answers."""

from numbers import Integral

import numpy as np

from skdevise._columns import label_column
from skdevise._utils import import_optional

# Characters that fit below a photo.
_LINE_WIDTH = 40


class TopKDisplay:
    """Photos, each above the best answers of one or more classifiers.

    It draws figure 2 of the DeViSE paper [1]_, which compares DeViSE with the softmax baseline.
    Needs matplotlib (extra ``plot``).

    Parameters
    ----------
    photos : sequence of n_photos photos
        Photos to show, in any form that `VisualFeaturizer` accepts, such as paths or PIL images.
    answers : dict of str to array-like of shape (n_photos, k)
        Ranked answers of each classifier, as `predict_top_k` returns them. The keys are the names
        of the classifiers, which are printed above their answers.
    y_true : array-like of shape (n_photos,), default=None
        True labels. They become the titles, and correct answers are printed in green.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure of all photos.
    axes_ : ndarray of matplotlib Axes, of shape (n_rows, n_columns)
        Axes of each photo.

    Raises
    ------
    TypeError
        If `answers` is not a dict, or is empty.
    ValueError
        If there are no photos, or the numbers of photos, answers and true labels differ.

    References
    ----------
    .. [1] Frome et al., "DeViSE: A Deep Visual-Semantic Embedding Model", NeurIPS 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from skdevise.inspection import TopKDisplay
    >>> photos = np.zeros((2, 8, 8, 3), dtype=np.uint8)
    >>> display = TopKDisplay(photos, {"DeViSE": [["night", "day"], ["coal", "snow"]]})
    >>> display.plot().axes_.shape
    (1, 2)
    """

    def __init__(self, photos, answers, y_true=None):
        if not isinstance(answers, dict) or not answers:
            raise TypeError(
                f"answers={answers!r:.60} is not a dict of answers. Pass one, such as "
                "{'DeViSE': answers}."
            )
        if not len(photos):
            raise ValueError("There are no photos. Pass at least one.")
        for name, ranked in answers.items():
            shape = np.shape(ranked)
            if len(shape) != 2 or len(ranked) != len(photos):
                raise ValueError(
                    f"There are {len(photos)} photos, but the answers of {name!r} have shape "
                    f"{shape}. Pass one row of answers per photo."
                )
        if y_true is not None and len(y_true) != len(photos):
            raise ValueError(
                f"There are {len(photos)} photos, but {len(y_true)} true labels. Pass one true "
                "label per photo."
            )
        # Lists, because the index of a pandas Series need not start at 0.
        self.photos = list(photos)
        self.answers = answers
        self.y_true = None if y_true is None else label_column(y_true).tolist()

    def plot(self, *, n_columns=4):
        """Plot the photos in rows.

        Parameters
        ----------
        n_columns : int, default=4
            Largest number of photos in a row.

        Returns
        -------
        self : TopKDisplay

        Raises
        ------
        UnreadablePhotoError
            If a photo cannot be read.
        """
        plt = import_optional("matplotlib.pyplot", extra="plot", purpose="TopKDisplay")
        from skdevise.vision._photos import Photos  # imports torch

        if not isinstance(n_columns, Integral) or n_columns < 1:
            raise ValueError(f"n_columns={n_columns!r} is invalid. Use a whole number from 1.")
        photos = Photos(self.photos)
        n_columns = min(n_columns, len(photos))
        n_rows = -(-len(photos) // n_columns)
        n_lines = 1 + max(np.shape(ranked)[1] for ranked in self.answers.values())
        self.figure_, self.axes_ = plt.subplots(
            n_rows,
            n_columns,
            figsize=(2.9 * n_columns, (2.6 + 0.2 * n_lines) * n_rows),
            squeeze=False,
            layout="constrained",
        )
        for ax in self.axes_.flat:
            ax.axis("off")
        for i, ax in zip(range(len(photos)), self.axes_.flat, strict=False):
            ax.imshow(photos.pixels(i).permute(1, 2, 0).numpy())
            # All axes get one shape, so that the answers below line up.
            ax.set_box_aspect(0.8)
            ax.set_aspect("equal", adjustable="datalim")
            if self.y_true is not None:
                ax.set_title(str(self.y_true[i]), fontsize=10, fontweight="bold", parse_math=False)
            self._write_answers(ax, i)
        return self

    def _write_answers(self, ax, i):
        """Write the answers to photo i below its axes, one column per classifier."""
        width = _LINE_WIDTH // len(self.answers)
        for column, (name, ranked) in enumerate(self.answers.items()):
            lines = [(name, "black", "bold")]
            for label in np.asarray(ranked)[i]:
                correct = self.y_true is not None and label == self.y_true[i]
                lines.append((str(label), "tab:green" if correct else "0.2", "normal"))
            for row, (text, colour, weight) in enumerate(lines):
                if len(text) > width:
                    text = text[: width - 1] + "…"
                # The layout makes room for annotations below the axes.
                ax.annotate(
                    text,
                    (column / len(self.answers), 0),
                    xycoords="axes fraction",
                    xytext=(0, -4 - 11 * row),
                    textcoords="offset points",
                    fontsize=8,
                    va="top",
                    color=colour,
                    fontweight=weight,
                    parse_math=False,
                )
