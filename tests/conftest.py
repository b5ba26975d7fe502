"""What holds for every test."""

import os
import signal

from hypothesis import settings

from tests import apiserver

# A shell that starts us in the background ignores Ctrl-C, and so would every program that we start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The cluster, and a namespace in it, for every test that asks for them.
_cluster, _namespace = apiserver.fixtures

# The same examples on every machine, so that a run says something about a change.
# HYPOTHESIS_PROFILE=explore looks for new ones; what it finds becomes a named row.
settings.register_profile("stable", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "stable"))
