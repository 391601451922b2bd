"""How the mechanical views of the API are written; `python -m tests.generate` does it."""
