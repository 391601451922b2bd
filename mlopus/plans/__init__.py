"""Requests, facts, steps and plans: what mlopus is about to do, as values.

Rules of this package: planners are functions from a request and facts to a plan; they take no
repository and no clock, and look at no path. A step holds values only.
"""
