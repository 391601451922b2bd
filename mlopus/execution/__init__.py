"""Execution: the interpreter that performs steps against repositories, and its receipts."""
