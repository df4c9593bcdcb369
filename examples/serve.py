"""
=============================
Serve a classifier over HTTP
=============================

This small service answers with the labels of a photo. It needs nothing besides skdevise and the
standard library. Save the classifier once, and start one process for each core:

.. code-block:: console

   $ python -c "from skdevise import *; \\
     save(to_openvino(load_zero_shot_classifier()), 'model.safetensors')"
   $ OMP_NUM_THREADS=1 python examples/serve.py model.safetensors --labels labels.txt
   $ curl --data-binary @photo.jpg http://127.0.0.1:8000/labels
   {"labels": [{"label": "okapi", "score": ...}, ...]}

``labels.txt`` has one label in each line. Without ``--labels``, the service uses six example
labels. Press Ctrl-C to stop it.

:doc:`/guide/production` explains the choices. The script is not run when these pages are built.
"""

# %%
# The service
# -----------
#
# Each connection has its own thread. The network classifies one photo at a time, and the others
# wait. The service holds at most ``n_places`` photos. It refuses further ones at once with the
# status 503, so that the client can ask another process.

import argparse
import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from sklearn.pipeline import Pipeline

from skdevise import LabelSpace, load, load_zero_shot_classifier, to_openvino
from skdevise.exceptions import UnreadablePhotoError
from skdevise.models import predict_top_k

MAX_BYTES = 10_000_000


class LabelService(ThreadingHTTPServer):
    """An HTTP server that answers with the labels of photos."""

    daemon_threads = True
    allow_reuse_port = hasattr(socket, "SO_REUSEPORT")  # Several processes can share a port.
    request_queue_size = 64  # connections that wait for a thread

    def __init__(self, address, classifier, labels, n_places=8):
        self.classifier, self.places = classifier, threading.BoundedSemaphore(n_places)
        # Bind the labels once: for many labels, this takes longer than the network.
        last = classifier[-1] if isinstance(classifier, Pipeline) else classifier
        self.space = labels if isinstance(labels, LabelSpace) else last.label_space(labels)
        self.classify(np.zeros((300, 400, 3), np.uint8))  # Warm up before the port opens.
        super().__init__(address, Handler)

    def classify(self, photo, k=5):
        """Return the best labels of a photo: list of dict."""
        k = min(k, self.space.n_labels)
        top, scores = predict_top_k(self.classifier, [photo], k, self.space, return_scores=True)
        pairs = zip(top[0].tolist(), scores[0].tolist(), strict=True)
        return [{"label": label, "score": round(score, 4)} for label, score in pairs]


# %%
# The routes
# ----------
#
# ``POST /labels`` takes the bytes of a photo. ``GET /health`` tells a load balancer that the
# process is ready. The port only opens after the warm-up, so no client meets a slow first answer.


class Handler(BaseHTTPRequestHandler):
    """The routes of the service."""

    timeout = 10  # seconds that a client may keep silent

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, {"status": "ok"})
        else:
            self.answer(404, {"error": "Use POST /labels or GET /health."})

    def do_POST(self):
        size = self.headers.get("Content-Length", "")
        if self.path != "/labels":
            self.answer(404, {"error": "Use POST /labels."})
        elif not size.isdecimal():
            self.answer(411, {"error": "Send the header Content-Length."})
        elif int(size) > MAX_BYTES:
            self.answer(413, {"error": f"Send a photo of at most {MAX_BYTES} bytes."})
        else:
            self.answer_photo(self.rfile.read(int(size)))

    def answer_photo(self, photo):
        if not self.server.places.acquire(blocking=False):
            self.answer(503, {"error": "All places are taken. Try again in a second."})
            return
        try:
            status, content = 200, {"labels": self.server.classify(photo)}
        except UnreadablePhotoError as error:
            status, content = 422, {"error": str(error)}
        finally:
            self.server.places.release()
        self.answer(status, content)

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Write no line for each request."""


# %%
# The command
# -----------


def read_labels(path):
    """Return the lines of a text file that are not blank: list of str."""
    with open(path, encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def main():
    parser = argparse.ArgumentParser(description="Answer with the labels of photos over HTTP.")
    parser.add_argument("model", nargs="?", help="file of skdevise.save; by default, build one")
    parser.add_argument(
        "--labels", help="text file with one label per line, or file of LabelSpace.save"
    )
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--seconds", type=float, help="time to serve; by default, for ever")
    args = parser.parse_args()
    if args.model:
        classifier = load(args.model, mmap=True)
    else:
        classifier = to_openvino(load_zero_shot_classifier())
    labels = ["okapi", "blue sky", "cup of coffee", "cat", "rocket", "portrait"]
    if args.labels and args.labels.endswith(".safetensors"):
        labels = LabelSpace.load(args.labels)
    elif args.labels:
        labels = read_labels(args.labels)
    with LabelService(("127.0.0.1", args.port), classifier, labels) as service:
        print(f"Serving on http://127.0.0.1:{service.server_port}", flush=True)
        if args.seconds:
            threading.Timer(args.seconds, service.shutdown).start()
        with contextlib.suppress(KeyboardInterrupt):
            service.serve_forever()


if __name__ == "__main__":
    main()
