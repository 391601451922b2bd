"""The parts of the state machine: the model of plain dicts, and the rules that are held against it."""
