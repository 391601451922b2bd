"""MLflow's REST as values: what is asked, what a reply means; nothing here sends anything.

Rules of this package: an operation is a pair of functions, `<operation>_request` and
`<operation>_from_reply`, where the reply says something. Ids are text, times are whole milliseconds,
numbers that are not finite are text, page tokens are opaque. A reader tolerates what is missing and
ignores what it does not know; what it cannot do without is a `WrongShape`.
"""
