"""Table of public names. The API pages are generated from it."""

# Title, module, introduction, names.
SECTIONS = (
    (
        "Classifiers",
        "skdevise",
        "Predict labels, including unseen ones. :doc:`/guide/classifiers` says which to choose.",
        (
            "load_zero_shot_classifier",
            "ClassifierWeightRegressor",
            "DeViSEClassifier",
            "ESZSLClassifier",
            "RidgeProjectionClassifier",
            "ConSEClassifier",
            "DirectSimilarityClassifier",
            "NoveltySwitchClassifier",
            "WSABIEClassifier",
            "NearestClassMeanClassifier",
            "NearestLabelClassifier",
        ),
    ),
    (
        "Word vectors",
        "skdevise",
        "Turn terms into unit vectors. See :doc:`/guide/word_vectors`.",
        ("PretrainedEmbedder", "SkipGramEmbedder", "EncoderEmbedder", "RandomEmbedder"),
    ),
    (
        "Image features",
        "skdevise",
        "Turn photos into features. See :doc:`/guide/photos`.",
        (
            "VisualFeaturizer",
            "FeatureCache",
            "vision.CacheInfo",
            "to_openvino",
            "OpenVINOFeaturizer",
        ),
    ),
    (
        "Labels",
        "skdevise",
        "Describe and search candidate labels. See :doc:`/guide/labels` and "
        ":doc:`/guide/hierarchies`.",
        ("LabelVocabulary", "LabelSpace", "Hierarchy"),
    ),
    (
        "Top-k predictions",
        "skdevise.models",
        "Rank the answers of any classifier, even inside a Pipeline. See :doc:`/guide/evaluation`.",
        ("predict_top_k",),
    ),
    (
        "Metrics",
        "skdevise.metrics",
        "Measure ranked answers, as functions and as scorers. See :doc:`/guide/evaluation`.",
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
        "Split data by class, and choose parameters with such splits. See :doc:`/guide/search`.",
        ("UnseenClassSplit", "tune_seen_penalty", "tune_reject_below"),
    ),
    (
        "Inspection",
        "skdevise.inspection",
        "Draw answers and the label space, and compare classifiers by curves.",
        (
            "TopKDisplay",
            "LabelMapDisplay",
            "HierarchicalPrecisionDisplay",
            "SeenUnseenCurveDisplay",
            "RejectionCurveDisplay",
            "HierarchyConfusionDisplay",
            "TrainingCurveDisplay",
        ),
    ),
    (
        "Clusters",
        "skdevise.distributed",
        "Share large objects with the workers of a cluster. See :doc:`/guide/cluster`.",
        ("scattered",),
    ),
    (
        "Data sets",
        "skdevise.datasets",
        "Load your own photos, bundled tables and published data sets. See :doc:`/guide/datasets`.",
        (
            "load_image_folder",
            "load_image_table",
            "load_caltech101_features",
            "load_imagenet_features",
            "load_imagenet_labels",
            "load_term_vectors",
            "load_wordnet_nouns",
            "load_zero_shot_split",
            "make_shapes",
            "fetch_caltech101",
            "fetch_cifar10",
            "fetch_cifar100",
            "fetch_flowers102",
            "fetch_food101",
            "fetch_pets",
            "fetch_tiny_imagenet",
        ),
    ),
    (
        "Saving and loading",
        "skdevise",
        "Keep fitted estimators in files without pickle. See :doc:`/guide/saving`.",
        ("save", "load"),
    ),
    (
        "Exceptions",
        "skdevise.exceptions",
        "Errors that you may want to catch.",
        ("LabelWithoutVectorError", "UnreadablePhotoError", "UntrustedError"),
    ),
    (
        "Versions",
        "skdevise",
        "Print what a bug report needs.",
        ("show_versions",),
    ),
)


def write_reference(folder):
    """Write `index.rst` with all public names. autosummary then writes a page for each name."""
    lines = ["API reference", "=============", ""]
    lines += ["This page lists every public name. ``import skdevise`` is fast, because each heavy"]
    lines += ["dependency is only imported when you first use a name that needs it.", ""]
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
