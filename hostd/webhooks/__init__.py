"""Webhooks: what happened to apps, as events, and the delivery of these to who wants to be told."""
