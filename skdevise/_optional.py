"""Optional packages, asked for where they are needed."""

from importlib import import_module


def import_optional(name, *, extra, purpose):
    """Import module `name`, or say which extra of skdevise installs it.

    Parameters
    ----------
    name : str
        Dotted name of the module.
    extra : str
        The extra of skdevise that installs it.
    purpose : str
        What it is needed for; the beginning of the error's sentence.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If the module is not installed.

    Examples
    --------
    >>> import_optional("math", extra="plot", purpose="Drawing").floor(1.5)
    1
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name.partition(".")[0]:
            raise  # Installed, but broken: its own message tells more.
        raise ImportError(
            f"{purpose} needs the package {name.partition('.')[0]!r}, which is not installed: "
            f"pip install 'skdevise[{extra}]'."
        ) from error
