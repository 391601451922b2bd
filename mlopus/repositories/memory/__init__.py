"""Every port in memory: for tests, and as the shortest statement of what each port means."""
