"""Laws of the deletion costs: true in the end, with few writes, and never wrong about who is busy."""

from hypothesis import given
from hypothesis import strategies as st

from taskyard_kubernetes.costs import AGES_S, ANNOTATION, BUSY, FALL_AFTER_S, IDLE, Pod, annotated, cost, decide

NAMES = st.sampled_from([f"worker-{number}" for number in range(6)])
COSTS = st.none() | st.integers(-5, 30)
PODS = st.dictionaries(NAMES, COSTS).map(lambda costs: [Pod(name, its) for name, its in costs.items()])
AGES = st.dictionaries(NAMES, st.floats(0, 1e6))


def _made(pods, decision):
    changes = {change.pod: change.cost for change in decision.changes}
    return [Pod(pod.name, changes.get(pod.name, pod.cost)) for pod in pods]


@given(AGES)
def test_the_busy_cost_more_than_the_idle_and_the_old_no_less_than_the_young(ages):
    costs = [cost(age_s) for age_s in sorted(ages.values())]
    assert cost(None) == IDLE < BUSY <= min(costs, default=BUSY)
    assert costs == sorted(costs)
    assert max(costs, default=BUSY) <= BUSY + len(AGES_S)


@given(PODS, AGES)
def test_after_a_while_all_costs_are_true_and_nothing_is_written_any_more(pods, oldest_s):
    first = decide(pods, oldest_s, {}, 0)
    pods = _made(pods, first)
    second = decide(pods, oldest_s, first.too_high_since, FALL_AFTER_S)
    pods = _made(pods, second)
    assert {pod.name: pod.cost for pod in pods} == {pod.name: cost(oldest_s.get(pod.name)) for pod in pods}
    assert decide(pods, oldest_s, second.too_high_since, 2 * FALL_AFTER_S) == decide([], {}, {}, 0)


@given(PODS, AGES, st.floats(0, FALL_AFTER_S, exclude_max=True))
def test_costs_rise_at_once_and_fall_only_after_a_while(pods, oldest_s, early_s):
    first = decide(pods, oldest_s, {}, 0)
    second = decide(_made(pods, first), oldest_s, first.too_high_since, early_s)
    before = {pod.name: pod.cost for pod in pods}
    for change in first.changes:
        assert before[change.pod] is None or change.cost > before[change.pod]
    assert second.changes == ()


@given(PODS, AGES)
def test_a_change_is_one_and_the_costliest_is_first(pods, oldest_s):
    changes = decide(pods, oldest_s, {}, 0).changes
    before = {pod.name: pod.cost for pod in pods}
    assert all(before[change.pod] != change.cost for change in changes)
    assert [change.cost for change in changes] == sorted((change.cost for change in changes), reverse=True)


def test_a_worker_of_short_tasks_is_written_once_however_often_it_is_seen_idle():
    pods, waiting, writes = [Pod("worker-1", 0)], {}, 0
    for number in range(600):  # every 2 s, busy in each third look
        decision = decide(pods, {"worker-1": 0.5} if number % 3 == 0 else {}, waiting, 2.0 * number)
        pods, waiting = _made(pods, decision), decision.too_high_since
        writes += len(decision.changes)
    assert writes == 1


def test_an_attempt_of_a_day_is_written_a_few_times():
    pods, waiting, writes = [Pod("worker-1", 0)], {}, 0
    for number in range(43_200):
        decision = decide(pods, {"worker-1": 2.0 * number}, waiting, 2.0 * number)
        pods, waiting = _made(pods, decision), decision.too_high_since
        writes += len(decision.changes)
    assert writes == len(AGES_S)


def test_what_is_annotated_is_read_as_kubernetes_does():
    read = {text: annotated({ANNOTATION: text}) for text in ("0", "12", "-3", "007", "+1", "1.5", "", "much")}
    assert read == {"0": 0, "12": 12, "-3": -3, "007": None, "+1": None, "1.5": None, "": None, "much": None}
    assert annotated({}) == 0
