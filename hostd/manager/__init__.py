"""The dyno manager: keeps what systemd runs equal to what the ledger says, and tells the router."""
