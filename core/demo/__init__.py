"""The whole platform on one machine with embedded servers: what `make demo`, the tests and the benchmarks stand on.

Nothing that runs in production imports this package; an import contract holds that.
"""
