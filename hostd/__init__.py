"""The control plane: ledger, dyno manager, deploys, logplex, API, ssh and command line."""

__version__ = "0.1.0"
