"""What the rest asks of the outside, as protocols."""
