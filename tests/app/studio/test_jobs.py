"""Jobs wait, run, tell, end, and are forgotten."""

import json
import threading
import time

import pytest

from regard.app.studio.jobs import Jobs
from regard.app.studio.limits import Limits
from regard.app.studio.refusals import RefusedError
from regard.spec.errors import DataError

SOON = 10


def until(holds):
    end = time.monotonic() + SOON
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def jobs():
    made = Jobs(Limits(jobs_waiting=3, jobs_kept=2))
    yield made
    made.close()


def test_a_job_tells_how_far_it_is_and_what_it_came_to(jobs):
    go = threading.Event()

    def work(job):
        job.tell(0.5, "half")
        go.wait(SOON)
        return {"sum": 3, "none": float("nan")}

    job = jobs.submit("look", "mine", {"text": "a"}, work)
    until(lambda: job.line == "half")
    assert (job.head()["state"], job.head()["fraction"]) == ("running", 0.5)
    go.set()
    until(lambda: job.is_over)
    found = json.loads(job.whole())
    assert found["result"] == {"sum": 3, "none": None}
    assert (found["state"], found["fraction"], found["asked"]) == ("done", 1.0, {"text": "a"})


def test_what_goes_wrong_is_told_and_the_lane_goes_on(jobs):
    def broken(job):
        raise DataError("rows.csv has no column text; name one")

    def faulty(job):
        return 1 / 0

    job, fault = jobs.submit("look", "a", {}, broken), jobs.submit("look", "b", {}, faulty)
    after = jobs.submit("look", "c", {}, lambda job: 1)
    until(lambda: after.is_over)
    assert job.error == {"what": "rows.csv has no column text", "where": "", "do": "name one"}
    assert (job.state, fault.state, after.state) == ("failed", "failed", "done")
    assert "division by zero" in fault.error["what"]
    assert "Traceback" not in json.dumps(fault.error)


def test_a_running_job_stops_where_it_next_tells(jobs):
    began = threading.Event()

    def work(job):
        began.set()
        while True:
            job.tell(0.1, "on and on")
            time.sleep(0.001)

    job = jobs.submit("look", "mine", {}, work)
    began.wait(SOON)
    jobs.drop(job.id)
    until(lambda: job.is_over)
    assert job.state == "cancelled"
    assert jobs.drop(job.id) == "forgotten"
    with pytest.raises(RefusedError) as told:
        jobs[job.id]
    assert told.value.status == 404


def test_a_model_cannot_swallow_the_stop(jobs):
    began = threading.Event()

    def work(job):
        while True:
            began.set()
            try:
                job.check()
            except Exception:
                pytest.fail("swallowed")

    job = jobs.submit("look", "mine", {}, work)
    began.wait(SOON)
    jobs.drop(job.id)
    until(lambda: job.is_over)
    assert job.state == "cancelled"


def test_one_that_waits_is_cancelled_at_once_and_never_runs(jobs):
    go, ran = threading.Event(), []
    first = jobs.submit("look", "a", {}, lambda job: go.wait(SOON))
    second = jobs.submit("look", "b", {}, lambda job: ran.append(1))
    until(lambda: first.state == "running")
    assert jobs.drop(second.id) == "cancelled"
    go.set()
    until(lambda: first.is_over)
    assert (ran, second.state) == ([], "cancelled")


def test_too_many_that_wait(jobs):
    go = threading.Event()
    first = jobs.submit("look", "a", {}, lambda job: go.wait(SOON))
    until(lambda: first.state == "running")
    for _ in range(3):
        jobs.submit("look", "b", {}, lambda job: None)
    with pytest.raises(RefusedError) as told:
        jobs.submit("look", "c", {}, lambda job: None)
    assert told.value.status == 429
    go.set()


def test_lanes_do_not_wait_for_each_other(jobs):
    go = threading.Event()
    held = jobs.submit("train", "a", {}, lambda job: go.wait(SOON), lane="training")
    quick = jobs.submit("look", "b", {}, lambda job: 1)
    until(lambda: quick.is_over)
    assert held.state == "running"
    go.set()


def test_only_so_many_are_kept(jobs):
    gone = []
    jobs._forget = gone.append
    made = [jobs.submit("look", str(n), {}, lambda job: 1) for n in range(3)]
    until(lambda: all(job.is_over for job in made))
    made.append(jobs.submit("look", "3", {}, lambda job: 1))
    until(lambda: made[3].is_over and len(gone) == 2)
    assert [job.title for job in jobs.all()] == ["3", "2"]
    assert [job.title for job in gone] == ["0", "1"]


def test_results_are_bounded_by_their_bytes():
    jobs = Jobs(Limits(results_bytes=1000))
    made = [jobs.submit("look", str(n), {}, lambda job: "x" * 600) for n in range(3)]
    until(lambda: all(job.is_over for job in made) and len(jobs.all()) == 1)
    assert [job.title for job in jobs.all()] == ["2"]
    jobs.close()
