"""All SQL of the hot and the cold path: each statement a function of a cursor, saying what it locks and returns.

Run by itself (`Session.run`) a statement is a transaction of its own. Wherever a task changes its status, its row in
`tasks` is locked first and `ready` after it, so that no two statements wait for one another in a ring, and a row in
`moves` records the change for the counters.
"""
