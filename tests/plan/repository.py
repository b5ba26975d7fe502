"""A DynamicPrefix, as the files of a repository have it."""

from tests.dynamic_prefix import dynamic_prefix

HOME = dynamic_prefix(ranges=("pool",))
