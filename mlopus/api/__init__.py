"""The verbs: each is a request, a plan and its execution."""
