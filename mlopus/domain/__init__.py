"""Immutable values: entities, records, identifiers, nested values and their text, manifests."""
