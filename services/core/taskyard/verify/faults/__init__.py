"""`taskyard verify --faults local`: servers and parts of its own, and everything that can happen to them.

Needs the extra `local`, and nothing on the machine but what `taskyard run` needs. What a fault does is said once, in
`catalogue`; which happen when is a pure function of a seed, in `plan`.
"""
