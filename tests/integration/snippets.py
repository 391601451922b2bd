"""Snippets for MLflow's own client that more than one test runs."""

LOAD_OFFLINE = """
import sys

def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError(f"this test is offline: {event} {args}")

import mlflow.pyfunc
loaded = [mlflow.pyfunc.load_model(uri) for uri in uris]
sys.addaudithook(refuse)
loaded += [mlflow.pyfunc.load_model(folder) for folder in folders]
print(json.dumps([model.predict(points).tolist() for model in loaded]))
"""
"""Load the models of `uris`, and those in `folders` where no connection can be made; print what each
predicts for `points`."""

SAVE_MODEL = """
import mlflow.sklearn, numpy, sklearn.linear_model
model = sklearn.linear_model.LinearRegression().fit([[0.0], [1.0], [3.0]], [1.0, 3.0, 7.5])
mlflow.sklearn.save_model(model, path=folder, serialization_format="cloudpickle")
print(json.dumps(model.predict(numpy.array(points)).tolist()))
"""
"""Fit a model, save it to `folder`, and print what it predicts for `points`."""
