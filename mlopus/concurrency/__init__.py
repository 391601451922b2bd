"""Doing several things at once, for whoever executes: stopped by Ctrl-C, and by the first failure."""
