"""Metrics: what apps use, how they answer and what befell them, minute by minute, kept in a store of their own."""
