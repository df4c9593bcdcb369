"""The command ``skdevise``, which classifies photos from a shell."""

import argparse
import csv
import os
import sys
import unicodedata
import warnings
from glob import glob, has_magic
from io import TextIOWrapper

import numpy as np

from skdevise import __version__
from skdevise._bounded import MAX_ROW, MAX_TABLE_BYTES, open_bounded, parsing
from skdevise.exceptions import LabelWithoutVectorError, UnreadablePhotoError

# Photos that are classified at once. The progress bar advances after each batch.
_BATCH = 32

# Characters of a line for people to read, and of the names of the longest labels in it.
_WIDTH, _LABEL_WIDTH = 80, 30

_EXIT_CODES = """\
exit status:
  0  all photos were classified
  1  some photos could not be read; the others were classified
  2  an error ended the command
"""


def main(arguments=None, *, classifier=None):
    """Run the command ``skdevise``.

    Parameters
    ----------
    arguments : list of str, default=None
        Words of the command, such as ``["classify", "photo.jpg", "--labels", "cat, dog"]``. None
        means those of the shell.
    classifier : fitted classifier, default=None
        Classifier of photos. None means ``skdevise.load_zero_shot_classifier()``.

    Returns
    -------
    int
        Exit status: 0 if all photos were classified, 1 if some could not be read, and 2 if an error
        ended the command.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.top < 1:
        parser.error(f"--top={options.top} is not a whole number from 1")
    if options.reject_below is not None and not 0 <= options.reject_below <= 1:
        parser.error(f"--reject-below={options.reject_below} is not a number from 0 to 1")
    with warnings.catch_warnings():
        # Without the line of code that gave the warning.
        warnings.showwarning = lambda message, *_, **__: _say(f"warning: {message}")
        try:
            candidates, photos = _read_labels(options.labels), _find_photos(options.photos)
            labels = _names(candidates)
            if len(labels) == 1 and options.reject_below is None:
                _say(
                    f"warning: {labels[0]!r:.80} is the only label, so it is the answer to every "
                    "photo. Put each label on its own line, or set --reject-below."
                )
            if classifier is None:
                from skdevise import load_zero_shot_classifier

                classifier = load_zero_shot_classifier()
            n_unreadable = _classify(classifier, photos, candidates, options)
        except BrokenPipeError:
            # The reader of the output, such as `head`, has stopped.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except KeyboardInterrupt:
            return 130
        except LabelWithoutVectorError as error:
            names = ", ".join(map(repr, error.missing))
            _say(
                f"error: These labels are unknown words: {names}. Use other English words, or "
                "leave them out."
            )
            return 2
        except UnicodeEncodeError as error:
            _say(
                f"error: The output has the encoding {error.encoding}, which lacks "
                f"{error.object[error.start]!r}. Set the variable PYTHONIOENCODING=utf-8."
            )
            return 2
        except (ImportError, OSError, TypeError, ValueError) as error:
            _say(f"error: {error}")
            return 2
    if n_unreadable:
        _say(f"{n_unreadable} of {len(photos)} photos could not be read.")
    return int(n_unreadable > 0)


def _parser():
    """Create the parser of the command line."""
    parser = argparse.ArgumentParser(
        "skdevise", description="Classify photos by any labels, without training."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")
    classify = commands.add_parser(
        "classify",
        help="say which label fits each photo best",
        description="Say which label fits each photo best, and how probable it is.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    classify.add_argument(
        "photos",
        nargs="+",
        metavar="PHOTO",
        help="photo, folder, .zip or .tar archive, or pattern such as 'photos/*.jpg'",
    )
    classify.add_argument(
        "--labels",
        required=True,
        help="labels to choose from: a list with commas, such as 'cat, dog', a text file with one "
        "label on each line, or a .json file that LabelVocabulary.save wrote",
    )
    classify.add_argument(
        "--top", type=int, default=1, metavar="K", help="labels to show for each photo (1)"
    )
    classify.add_argument(
        "--reject-below",
        type=float,
        metavar="P",
        help="answer 'unknown' if no label has a confidence of at least P",
    )
    classify.add_argument(
        "--csv",
        action="store_true",
        help="print a CSV table with the columns photo, rank, label and probability",
    )
    return parser


def _read_labels(text):
    """Return the distinct labels of a list with commas, or of a file, or a vocabulary."""
    if text.lower().endswith(".json"):
        from skdevise import LabelVocabulary

        return LabelVocabulary.load(text)
    if "," in text:
        lines = text.split(",")
    elif os.path.isfile(text):
        with (
            parsing(text, "Save it as text in UTF-8."),
            open_bounded(text, MAX_TABLE_BYTES, MAX_ROW) as file,
        ):
            lines = file.read().decode("utf-8-sig").split("\n")
    else:
        raise ValueError(
            f"--labels {text!r} is neither a list with commas nor a file. Pass labels such as "
            "'cat, dog', or the path of a file."
        )
    labels = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not labels:
        raise ValueError(f"--labels {text!r} has no labels. Pass at least one.")
    return labels


def _names(candidates):
    """Return the labels of a list or a vocabulary as text."""
    return list(map(str, getattr(candidates, "labels", candidates)))


def _find_photos(names):
    """Return the photos of paths, folders, archives and patterns, in this order."""
    from skdevise.datasets._photo_files import is_local_folder, list_files
    from skdevise.datasets._photo_lists import photo_names

    photos = []
    for name in names:
        if os.path.isdir(name) or (os.path.isfile(name) and not is_local_folder(name)):
            files = list_files(name)
            found = [files[parts] for parts in photo_names(files)]
        elif has_magic(name) and not os.path.exists(name):
            found = sorted(filter(os.path.isfile, glob(name, recursive=True)))
        else:
            found = [name]
        if not found:
            raise ValueError(f"{name!r} has no photos. Pass photos, or a folder that holds some.")
        photos += found
    return photos


def _classify(classifier, photos, candidates, options):
    """Write the answers to all photos, and return the number of unreadable ones."""
    from tqdm import tqdm

    labels = _names(candidates)
    threshold = options.reject_below
    threshold = classifier.reject_below if threshold is None else threshold
    shown = labels if threshold is None else [*labels, classifier.unknown_label]
    answer = classifier.predict_proba if threshold is None else classifier.predict_confidence
    n_unreadable, write = 0, None
    # The bar is hidden if stderr is no terminal.
    with tqdm(total=len(photos), unit=" photos", leave=False, disable=None) as bar:
        for start in range(0, len(photos), _BATCH):
            batch = photos[start : start + _BATCH]
            answers = _probabilities(answer, batch, candidates)
            if write is None:  # An error in the first batch leaves the output empty.
                write = _csv_writer() if options.csv else _column_writer(photos, shown)
            with bar.external_write_mode():  # It hides the bar.
                for photo, values in zip(batch, answers, strict=True):
                    if isinstance(values, UnreadablePhotoError):
                        n_unreadable += 1
                        _say(values)
                        continue
                    best = np.argsort(-values, kind="stable")[: options.top]
                    rows = [(labels[column], values[column]) for column in best]
                    if threshold is not None and values.max() < threshold:
                        rows = [(classifier.unknown_label, None)]
                    write(str(photo), rows)
            bar.update(len(batch))
    return n_unreadable


def _probabilities(answer, photos, labels):
    """Return what `answer` gives for each photo: an array (n_labels,), or its error."""
    try:
        return list(np.asarray(answer(photos, labels=labels)))
    except UnreadablePhotoError as error:
        if len(photos) == 1:
            return [error]
    half = len(photos) // 2
    parts = photos[:half], photos[half:]
    return [values for part in parts for values in _probabilities(answer, part, labels)]


def _csv_writer():
    """Return a function that writes the answers to a photo as lines of a CSV table."""
    if isinstance(sys.stdout, TextIOWrapper):  # Names of files may be no text.
        sys.stdout.reconfigure(errors="surrogateescape")
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(("photo", "rank", "label", "probability"))

    def write(photo, rows):
        for rank, (label, probability) in enumerate(rows, 1):
            value = "" if probability is None else f"{probability:.6f}"
            table.writerow((photo, rank, label, value))

    return write


def _column_writer(photos, labels):
    """Return a function that writes the answers to a photo in aligned columns."""
    label_width = min(_LABEL_WIDTH, max(map(_n_cells, labels)))
    photo_width = min(_WIDTH - label_width - 9, max(_n_cells(str(photo)) for photo in photos))

    def write(photo, rows):
        photo = _printable(photo)
        while _n_cells(photo) > photo_width:
            photo = "…" + photo[2:]
        for label, probability in rows:
            label = _printable(label)
            while _n_cells(label) > label_width:
                label = label[:-2] + "…"
            value = "" if probability is None else f"  {probability:.3f}"
            gaps = " " * (photo_width - _n_cells(photo)), " " * (label_width - _n_cells(label))
            print(f"{photo}{gaps[0]}  {label}{gaps[1]}{value}".rstrip())
            photo = ""  # Its name stands in the first line only.

    return write


def _n_cells(text):
    """Count the cells of a terminal that a text fills: two for Japanese, none for an accent."""
    accents = sum(unicodedata.category(letter) == "Mn" for letter in text)
    return len(text) - accents + sum(unicodedata.east_asian_width(x) in "WF" for x in text)


def _say(message):
    """Write a message to the standard error stream."""
    print(f"skdevise: {_printable(str(message))}", file=sys.stderr)


def _printable(text):
    """Replace line breaks, and characters that would control the terminal."""
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
