"""A display of photos with their ranked answers."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Self

import numpy as np

from skdevise._columns import label_column
from skdevise._ranking import best_columns
from skdevise._typing import ArrayLike, Classifier, Labels, PhotoList
from skdevise._utils import check_count, import_optional
from skdevise.inspection._curves import blend, make_visible, reach_candidates, shorten

# Characters that fit below a photo.
_LINE_WIDTH = 40

# Height of a line in points, and the colour of the bars.
_LINE_HEIGHT = 11
_BAR_COLOUR = "#56B4E9"
_BAR_ALPHA = 0.35


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
        True labels. They become the titles. Correct answers are green and have a tick.
    probabilities : dict of str to array-like of shape (n_photos, k), default=None
        Probabilities of the answers of some of the classifiers. They are printed before the
        answers, and drawn as bars behind them.
    reasons : dict of str to sequence of n_photos sequences of str, default=None
        Lines to write below the answers of some of the classifiers, such as reasons for them.

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

    See Also
    --------
    skdevise.models.predict_top_k : Ranks the answers.

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

    def __init__(
        self,
        photos: PhotoList,
        answers: Mapping[str, ArrayLike],
        y_true: ArrayLike | None = None,
        *,
        probabilities: Mapping[str, ArrayLike] | None = None,
        reasons: Mapping[str, Sequence[Sequence[str]]] | None = None,
    ) -> None:
        if not isinstance(answers, dict) or not answers:
            raise TypeError(
                f"answers={answers!r:.60} is not a dict of answers. Pass one, such as "
                "{'DeViSE': answers}."
            )
        if hasattr(photos, "to_numpy"):
            photos = photos.to_numpy()
        if getattr(photos, "ndim", 1) == 2:  # a table of one column, or features
            if photos.shape[1] > 1:
                raise ValueError(
                    f"The photos have {photos.shape[1]} columns. Pass one column of photos as "
                    "`photos`."
                )
            photos = photos.ravel()
        if not len(photos):
            raise ValueError("There are no photos. Pass at least one.")
        for name, ranked in answers.items():
            shape = np.shape(ranked)
            if len(shape) != 2 or len(ranked) != len(photos):
                raise ValueError(
                    f"There are {len(photos)} photos, but the answers of {name!r} have shape "
                    f"{shape}. Pass one row of answers per photo."
                )
        for name, values in (probabilities or {}).items():
            if name not in answers or np.shape(values) != np.shape(answers[name]):
                raise ValueError(
                    f"The probabilities of {name!r} have shape {np.shape(values)}. Pass one for "
                    "each answer of a classifier in `answers`."
                )
        for name, lines in (reasons or {}).items():
            if name not in answers or len(lines) != len(photos):
                raise ValueError(
                    f"There are {len(photos)} photos, but {len(lines)} lists of reasons of "
                    f"{name!r}. Pass one for each photo, of a classifier in `answers`."
                )
        if y_true is not None and len(y_true) != len(photos):
            raise ValueError(
                f"There are {len(photos)} photos, but {len(y_true)} true labels. Pass one true "
                "label per photo."
            )
        # Lists, because the index of a pandas Series need not start at 0.
        self.photos = list(photos)
        self.answers = answers
        self.probabilities = probabilities
        self.reasons = reasons
        self.y_true = None if y_true is None else label_column(y_true).tolist()

    @classmethod
    def from_estimator(
        cls,
        estimator: Classifier,
        X: PhotoList,
        y: ArrayLike | None = None,
        *,
        photos: PhotoList | None = None,
        k: int = 5,
        labels: Labels | None = None,
        n_reasons: int = 0,
        name: str | None = None,
        n_columns: int = 4,
    ) -> Self:
        """Plot the most probable labels of a fitted classifier.

        Parameters
        ----------
        estimator : fitted classifier with `predict_proba`, Pipeline or search
            Classifier to show.
        X : sequence of n_photos photos, or array-like of shape (n_photos, n_features)
            Photos or other samples, as the estimator takes them.
        y : array-like of shape (n_photos,), default=None
            True labels.
        photos : sequence of n_photos photos, default=None
            Photos to show. Pass them if X has features, or a table with more columns than the
            photos. None shows X.
        k : int, default=5
            Number of labels below each photo. If there are fewer candidates, all are shown.
        labels : array-like, dict, LabelVocabulary or LabelSpace, default=None
            Candidate labels. Only the classifiers of skdevise accept them.
        n_reasons : int, default=0
            Number of training labels to list as reasons for the best label of each photo. Only a
            `ClassifierWeightRegressor` has reasons, which its `explain` defines. 0 lists none.
        name : str, default=None
            Name above the labels. None means the class of the classifier.
        n_columns : int, default=4
            Largest number of photos in a row.

        Returns
        -------
        TopKDisplay

        Raises
        ------
        TypeError
            If `labels` is given and the classifier only predicts its training labels, or if
            `n_reasons` is given and the classifier cannot explain its answers.
        UnreadablePhotoError
            If a photo cannot be read.
        ValueError
            If `k` is not a whole number from 1.
        """
        check_count("k", k)
        classifier, points, candidates, chosen = reach_candidates(estimator, X, labels)
        proba = classifier.predict_proba(points, **chosen)
        best = best_columns(proba, min(k, len(candidates)))
        name = type(classifier).__name__ if name is None else name
        probabilities = {name: np.take_along_axis(proba, best, axis=1)}
        reasons = {name: _explain(classifier, points, chosen, n_reasons)} if n_reasons else None
        answers = {name: candidates[best]}
        photos = X if photos is None else photos
        display = cls(photos, answers, y, probabilities=probabilities, reasons=reasons)
        return display.plot(n_columns=n_columns)

    def plot(self, *, n_columns: int = 4) -> Self:
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
        from skdevise.vision._photos import Photos

        check_count("n_columns", n_columns)
        photos = Photos(self.photos)
        n_columns = min(n_columns, len(photos))
        n_rows = -(-len(photos) // n_columns)
        n_lines = 1 + max(np.shape(ranked)[1] for ranked in self.answers.values())
        if self.reasons:
            n_lines += max(map(len, chain.from_iterable(self.reasons.values())))
        size = 2.9 * n_columns, (2.6 + 0.2 * n_lines) * n_rows
        self.figure_, self.axes_ = plt.subplots(
            n_rows, n_columns, figsize=size, squeeze=False, layout="compressed"
        )
        self.figure_.get_layout_engine().set(h_pad=0.1)  # Titles keep away from answers above.
        for ax in self.axes_.flat:
            ax.axis("off")
        for i, ax in zip(range(len(photos)), self.axes_.flat, strict=False):
            ax.imshow(photos.pixels(i).transpose(1, 2, 0))
            # All axes get one shape, so that the answers below line up.
            ax.set_box_aspect(0.8)
            ax.set_aspect("equal", adjustable="datalim")
            if self.y_true is not None:
                ax.set_title(str(self.y_true[i]), fontsize=10, fontweight="bold", parse_math=False)
            self._write_answers(ax, i)
        return self

    def _write_answers(self, ax, i):
        """Write the answers to photo i below its axes, one column per classifier."""
        from matplotlib import rcParams
        from matplotlib.lines import Line2D
        from matplotlib.transforms import offset_copy

        bar_on_ground = blend(_BAR_COLOUR, ax.figure.get_facecolor(), _BAR_ALPHA)
        green = make_visible("tab:green", bar_on_ground, 4.5)
        n_characters, width = _LINE_WIDTH // len(self.answers), 1 / len(self.answers)
        for column, (name, ranked) in enumerate(self.answers.items()):
            left, lines = column * width, [(name, None, False)]
            values = (self.probabilities or {}).get(name)
            for rank, label in enumerate(np.asarray(ranked)[i]):
                probability = None if values is None else np.asarray(values)[i, rank]
                correct = self.y_true is not None and label == self.y_true[i]
                lines.append((str(label), probability, correct))
            if name in (self.reasons or {}):
                lines += [(line, None, False) for line in self.reasons[name][i]]
            for row, (text, probability, correct) in enumerate(lines):
                tick = " ✓" if correct else ""
                value = "" if probability is None else f"{probability:.2f} "
                text = shorten(text, n_characters - len(tick) - len(value))
                below = -4 - _LINE_HEIGHT * row
                if probability is not None:
                    middle = offset_copy(ax.transAxes, ax.figure, 0, below - 5.5, units="points")
                    bar = [left, left + 0.95 * width * probability], [0, 0]
                    style = {"color": _BAR_COLOUR, "alpha": _BAR_ALPHA, "solid_capstyle": "butt"}
                    line = Line2D(*bar, lw=_LINE_HEIGHT - 2, transform=middle, **style)
                    line.set_clip_on(False)
                    ax.add_artist(line)
                # The layout makes room for annotations below the axes.
                place = {"xycoords": "axes fraction", "textcoords": "offset points", "va": "top"}
                style = {"fontsize": 8, "fontweight": "bold" if row == 0 else "normal"}
                style |= {"color": green if correct else rcParams["text.color"]}
                style["fontfamily"] = [*rcParams["font.family"], "DejaVu Sans"]  # It has the tick.
                text = value + text + tick
                ax.annotate(text, (left, 0), (0, below), parse_math=False, **place, **style)


def _explain(classifier, points, chosen, n_reasons):
    """List the training labels that speak for the best answers: a list of lines for each photo."""
    if not hasattr(classifier, "explain"):
        raise TypeError(
            f"A {type(classifier).__name__} cannot explain its answers. Leave out `n_reasons`."
        )
    table = classifier.explain(points, n_reasons=n_reasons, **chosen)
    table = table[table["kind"] == "training label"]
    return [
        [f"Reasons for {label}:"]
        + [f"{row.contribution:+.2f} {row.reason}" for row in rows.itertuples()]
        for (_, label), rows in table.groupby(["sample", "label"])
    ]
