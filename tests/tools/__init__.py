"""Programs that the justfile calls."""
