from tests.examples.repositories import repository

__all__ = ["repository"]
