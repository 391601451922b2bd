"""Benchmarks: ratios measured side by side, printed by `just bench`."""
