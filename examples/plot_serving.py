"""
===============================
Measure a service
===============================

How long does a client wait for the labels of a photo? We start the HTTP service of :doc:`serve`,
post photos to it from several threads, and draw the times. :doc:`/guide/production` explains the
choices.
"""

# %%
# Start the service
# -----------------
#
# `to_openvino` copies the ready classifier, so that OpenVINO runs its network. This is faster than
# PyTorch on most CPUs. The service answers for one photo before it opens its port.

import http.client
import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator
from PIL import Image
from serve import LabelService
from skimage import data

from skdevise import load_zero_shot_classifier, to_openvino

classifier = to_openvino(load_zero_shot_classifier())
labels = ["espresso", "portrait of an astronaut", "tabby cat", "rocket", "blue sky", "okapi"]
service = LabelService(("127.0.0.1", 0), classifier, labels, n_places=8)
threading.Thread(target=service.serve_forever, daemon=True).start()

# %%
# Post a photo
# ------------
#
# The body of the request is the content of a file. The answer is JSON.


def as_jpeg(pixels):
    """Return the bytes of a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def post(photo):
    """Post a photo: the status, the answer, and the time in milliseconds."""
    start = perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", service.server_port, timeout=30)
    connection.request("POST", "/labels", photo)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    return response.status, answer, 1e3 * (perf_counter() - start)


photos = [as_jpeg(photo) for photo in (data.coffee(), data.chelsea(), data.rocket())]
for photo in photos:
    status, answer, _ = post(photo)
    print(status, answer["labels"][0])

# %%
# More clients wait longer
# ------------------------
#
# A client posts its next photo when it has the answer to the last one. The network classifies one
# photo at a time, so the wait grows with the number of clients. The service holds eight photos
# (``n_places``). With 16 clients, more arrive. It refuses some of them at once with the status 503,
# which means "try again later".

results = {}
for n_clients in (1, 2, 4, 8, 16):
    with ThreadPoolExecutor(n_clients) as clients:
        results[n_clients] = list(clients.map(post, photos * 20))

fig, ax = plt.subplots(layout="constrained")
colors = plt.cm.viridis(np.linspace(0.9, 0, len(results)))  # dark for many clients
for color, (n_clients, answers) in zip(colors, results.items(), strict=True):
    times = np.sort([time for status, _, time in answers if status == 200])
    ax.plot(times, np.linspace(0, 100, len(times)), color=color, lw=2, label=n_clients)
    n_busy = sum(status == 503 for status, _, _ in answers)
    print(f"clients: {n_clients}, {np.median(times):.0f} ms (median), {n_busy} answers of 503")
ax.set(title="Waiting times of clients", xscale="log")
ax.set(xlabel="time (ms)", ylabel="answers within this time (%)")
ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
ax.xaxis.set_major_formatter("{x:.0f}")
ax.minorticks_off()
ax.legend(title="clients")
service.shutdown()
plt.show()
