"""Files of term vectors, a module for each format."""

from skdevise.language.formats.files import read_vectors, write_vectors

__all__ = ["read_vectors", "write_vectors"]
