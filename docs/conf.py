"""Sphinx configuration. `make docs` builds the site without a network."""

import inspect
import os
import sys
from importlib import import_module
from pathlib import Path

# With several threads on small matrices, the threads mostly wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "_ext")]

import api_reference  # noqa: E402
import whats_new  # noqa: E402

import skdevise  # noqa: E402

# -- The project ------------------------------------------------------------------------------

project = "skdevise"
author = "The skdevise developers"
project_copyright = author
version = release = skdevise.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosectionlabel",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
    "native_math",
    "short_names",
]
exclude_patterns = ["_*", "gallery/*.ipynb", "gallery/*.py"]
templates_path = ["_templates"]
default_role = "py:obj"
autosectionlabel_prefix_document = True  # :ref:`benchmarks:Serving` links to a section
suppress_warnings = ["autosectionlabel.*"]  # Some pages have the same heading twice.

# Every name must resolve, except those of other projects: the build downloads no inventories.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(sklearn|skorch|skops|torch|numpy|scipy|pandas|gensim|nltk|dask)\..*"),
    ("py:obj", r"(Pipeline|GridSearchCV|LogisticRegression)(\(.*\))?"),
]

# -- The API pages ----------------------------------------------------------------------------

api_reference.write_reference(HERE / "api" / "generated")
whats_new.write_page(HERE / "whats_new.rst")


def own_methods(fullname, methods):
    """Keep the methods that this package documents, not those of scikit-learn."""
    module, _, name = fullname.rpartition(".")
    cls = getattr(import_module(module), name)
    order = {name: i for i, name in enumerate(_names_by_definition(cls))}
    own = [
        method
        for method in methods
        if getattr(inspect.unwrap(getattr(cls, method)), "__module__", "").startswith("skdevise")
        and method not in ("__init__", "get_metadata_routing")
    ]
    return sorted(own, key=order.get)


def other_methods(fullname, methods):
    """List the methods that a class inherits from scikit-learn."""
    own = own_methods(fullname, methods)
    return [name for name in methods if name not in own and name != "__init__"]


def _names_by_definition(cls):
    names = {}
    for base in cls.__mro__:
        for name in vars(base):
            names.setdefault(name)
    return names


def lend_helpers(app):
    """Hand functions to the templates of autosummary."""
    app.config.autosummary_context = {"own_methods": own_methods, "other_methods": other_methods}


def take_helpers_back(app):
    """Leave nothing in the configuration that Sphinx cannot pickle."""
    app.config.autosummary_context = {}


def setup(app):
    """Lend the helpers while autosummary writes its pages (at priority 500)."""
    app.connect("builder-inited", lend_helpers, priority=400)
    app.connect("builder-inited", take_helpers_back, priority=600)


autodoc_typehints = "none"
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# -- The gallery ------------------------------------------------------------------------------

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "within_subsection_order": "gallery_order.GalleryOrder",
    "doc_module": ("skdevise",),
    "backreferences_dir": "api/generated/backreferences",
    "abort_on_example_error": True,
    "capture_repr": (),
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "write_computation_times": False,
    "min_reported_time": 3600,  # Times of the machine that built the site say little.
    "remove_config_comments": True,
    "thumbnail_size": (600, 400),
    "plot_gallery": "True",
}

# -- The pages --------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "skdevise"
html_static_path = ["_static"]
html_css_files = ["skdevise.css"]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "skdevise"},
    "navbar_align": "left",
    "navbar_persistent": [],
    "navbar_end": ["search-button", "theme-switcher"],
    "header_links_before_dropdown": 6,
    "show_toc_level": 2,
    "show_prev_next": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": {"**": ["page-toc"]},
}
html_sidebars = {"index": [], "install": [], "quickstart": []} | {
    page: [] for page in ("benchmarks", "whats_new", "contributing")
}

# -- The code in the pages --------------------------------------------------------------------

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"
trim_doctest_flags = True
