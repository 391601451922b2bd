"""Performing plans against repositories, and the receipts that say what was done."""
