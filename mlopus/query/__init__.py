"""MongoDB's query language over plain mappings: parsed once, checked completely, evaluated anywhere."""
