"""Taskyard beside what people would use instead, on the same servers, by turns: `make bench`.

    servers ─▶ round 1: A, B, C … ─▶ round 2: A, B, C … ─▶ medians, ratios, targets ─▶ table and bench/results/*.json

A *system* is Taskyard, Taskyard otherwise set up, or a rival. A *turn* is one system alone with PostgreSQL and
RabbitMQ: its processes start, its measures run, its processes end. What is measured, and what it has to reach, is in
`measures`.
"""
