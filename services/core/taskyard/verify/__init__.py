"""Proving of an installation that it loses no task and completes none twice: canaries, a ledger, and a verdict.

The package needs no more than a REST client; `taskyard.verify.faults` adds servers of its own and breaks them.
"""
