"""How Hypothesis looks for examples in all tests: the same in every run, for as long as they take.

A busy machine is no failure.
"""

from hypothesis import HealthCheck, settings

settings.register_profile("hostd", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hostd")
