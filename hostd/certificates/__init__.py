"""Certificates of apps: judged when they come, given to the router, watched until they end."""
