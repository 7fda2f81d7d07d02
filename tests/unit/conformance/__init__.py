"""What HTTP asks of the router, a row to a rule. `python -m conformance` in tests/unit prints the table."""
