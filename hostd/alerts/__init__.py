"""Alerts: conditions on an app's figures that somebody wants to hear of, when they begin to hold and when they end."""
