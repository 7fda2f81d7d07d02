"""The scheduler: jobs of an app that run at their times, each run a one-off dyno."""
