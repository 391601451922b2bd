"""Ports: what the core asks of the world, as Protocols.

Rules of this package: no I/O is imported here; a port method has a contract test that runs on all
its implementations; a port never sees `Pending`; foreign exceptions never pass through a port.
"""
