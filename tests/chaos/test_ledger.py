"""What is written down of answers."""

from taskyard.verify.canaries import canaries
from taskyard.verify.facts import Promise
from taskyard.verify.ledger import Ledger


def test_an_answer_that_came_twice_is_one_promise():
    ledger = Ledger()
    for at_s in (1.0, 2.0):
        ledger.promised(Promise("k", 7, "sleep", at_s))
    assert [(promise.task_id, promise.at_s) for promise in ledger.promises] == [(7, 1.0)]
    assert ledger.contradictions == []


def test_two_tasks_for_one_key_contradict_one_another():
    ledger = Ledger()
    ledger.promised(Promise("k", 7, "sleep", 1.0))
    ledger.promised(Promise("k", 8, "sleep", 2.0))
    assert ledger.contradictions == ["key k is task 7, and task 8"]


def test_one_task_for_two_keys_contradicts_itself():
    ledger = Ledger()
    ledger.promised(Promise("k", 7, "sleep", 1.0))
    ledger.promised(Promise("l", 7, "sleep", 2.0))
    assert ledger.contradictions == ["task 7 is of key k, and of key l"]


def test_canaries_are_the_same_for_the_same_seed_and_have_keys_of_their_own():
    made = list(canaries("run", 5, 500, 2.0))
    assert made == list(canaries("run", 5, 500, 2.0))
    assert made != list(canaries("run", 6, 500, 2.0))
    assert len({canary.key for canary in made}) == 500
    assert {canary.kind for canary in made} == {"sleep", "verify.write"}
    assert all(0 <= canary.body["payload"]["seconds"] <= 2.0 for canary in made)
