"""The table of public names, from which the API pages are generated."""

# Title, module, a line about them, names.
SECTIONS = (
    (
        "Language",
        "skdevise",
        "Terms to unit vectors. See :doc:`/guide/language`.",
        ("SkipGramEmbedder", "PretrainedEmbedder", "RandomEmbedder"),
    ),
    (
        "Text encoders",
        "skdevise.language",
        "Texts to unit vectors by another model.",
        ("EncoderEmbedder",),
    ),
    (
        "Vision",
        "skdevise",
        "Photos to features. See :doc:`/guide/vision`.",
        ("VisualFeaturizer",),
    ),
    (
        "Kept features",
        "skdevise.vision",
        "What a photo's features are kept in.",
        ("FeatureCache",),
    ),
    (
        "Labels",
        "skdevise",
        "The candidates of a prediction, and what is a kind of what. See :doc:`/guide/labels`.",
        ("LabelVocabulary", "Hierarchy"),
    ),
    (
        "Search",
        "skdevise.labels",
        "Labels as they lie in the space of an embedder. See :doc:`/guide/scale`.",
        ("LabelSpace",),
    ),
    (
        "Models",
        "skdevise",
        "Features to labels. See :doc:`/guide/models`.",
        ("DeViSEClassifier", "ConSEClassifier"),
    ),
    (
        "Metrics",
        "skdevise.metrics",
        "How good ranked answers are, as functions and as ``scoring=``. See "
        ":doc:`/guide/evaluation`.",
        (
            "hit_at_k",
            "hierarchical_precision_at_k",
            "generalized_scores",
            "HitAtK",
            "HierarchicalPrecisionAtK",
        ),
    ),
    (
        "Model selection",
        "skdevise.model_selection",
        "Splits by class, and a choice that needs them.",
        ("UnseenClassSplit", "tune_seen_penalty"),
    ),
    (
        "Inspection",
        "skdevise.inspection",
        "Displays of answers and of the label space.",
        ("TopKDisplay", "LabelMapDisplay"),
    ),
    (
        "Data sets",
        "skdevise.datasets",
        "Bundled tables, synthetic photos, photos of one's own, and published sets. See "
        ":doc:`/guide/datasets`.",
        (
            "fetch_caltech101",
            "fetch_cifar10",
            "fetch_cifar100",
            "fetch_flowers102",
            "fetch_food101",
            "fetch_pets",
            "fetch_tiny_imagenet",
            "load_caltech101_features",
            "load_image_folder",
            "load_image_table",
            "load_imagenet_features",
            "load_imagenet_labels",
            "load_term_vectors",
            "load_wordnet_nouns",
            "load_zero_shot_split",
            "make_shapes",
        ),
    ),
    (
        "Exceptions",
        "skdevise.exceptions",
        "Errors that callers may want to catch by name.",
        ("LabelWithoutVectorError", "UnreadablePhotoError"),
    ),
)


def write_reference(folder):
    """Write the page of all public names, from which autosummary makes a page for each.

    Parameters
    ----------
    folder : Path
        The page is `index.rst` in it; it is left alone if it says the same already.
    """
    lines = ["API reference", "=============", ""]
    lines += ["Every public name, by what it is for. ``import skdevise`` loads none of the heavy"]
    lines += ["packages under it; they come in when a name is first used.", ""]
    for title, module, about, names in SECTIONS:
        lines += [title, "-" * len(title), "", about, "", f".. currentmodule:: {module}", ""]
        lines += [".. autosummary::", "   :toctree: .", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in names]
        lines += [""]
    text = "\n".join(lines)
    page = folder / "index.rst"
    folder.mkdir(parents=True, exist_ok=True)
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")
