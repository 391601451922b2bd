"""The test suite, the servers it starts and the tools that the justfile calls."""
