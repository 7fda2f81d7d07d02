"""A visit to a dyno is, to the kernel, what the dyno's own processes are: in control groups of version 2 too."""

from tests.box.test_exec import (  # noqa: F401 - the first is a fixture that all of them use
    deployed,
    test_a_time_limit,
    test_it_is_to_the_kernel_what_the_dynos_own_processes_are,
)
