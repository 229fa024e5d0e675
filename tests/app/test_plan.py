import resource

import torch

import regard as library
from regard.spec import Causal, Window


def test_it_prints_the_plan_of_the_library(regard):
    q = torch.empty(1, 8, 256, 64, dtype=torch.bfloat16)
    wanted = str(library.plan(q, q, q, mask=Causal() & Window(63, 0)))
    arguments = ("plan", "--query", "1,8,256,64", "--key", "1,8,256,64", "--mask", "Causal() & Window(63, 0)")
    assert regard(*arguments, "--dtype", "bfloat16") == (0, wanted + "\n", "")
    assert "causal and window of 63 before and 0 after" in wanted


def test_all_that_can_be_asked_reaches_the_planner(regard):
    code, out, err = regard(
        *("plan", "--query", "2,8,16,64", "--key", "2,4,32,64", "--value", "2,4,32,48", "--gradient"),
        *("--score", "ScaledDot(softcap=50)", "--bias", "ALiBi.for_heads(8)", "--kernel", "dense", "--dropout", "0.1"),
    )
    assert (code, err) == (0, "")
    asked, kernel, why = out.splitlines()[:3]
    for part in (
        "key (2, 4, 32, 64), value (2, 4, 32, 48)",
        "float32",
        "softcap=50",
        "ALiBi",
        "dropout 0.1",
        "gradient",
    ):
        assert part in asked
    assert kernel.startswith("kernel      dense:")
    assert "forced" in why


def test_shapes_of_many_gigabytes_take_no_memory(regard):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
    code, out, _ = regard(
        "plan", "--query", "8,64,1000000,128", "--key", "8,64,1000000,128", "--mask", "Window(255, 0)"
    )
    assert code == 0
    assert "kernel      streaming" in out
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_device_that_is_not_there_is_a_typing_error(regard):
    code, out, err = regard("plan", "--query", "1,1,4,4", "--key", "1,1,4,4", "--device", "nonsense")
    assert (code, out) == (2, "")
    assert "'nonsense' cannot be used here" in err
    assert len(err.splitlines()) == 1


def test_keys_are_by_default_the_queries(regard):
    assert regard("plan", "--query", "1,8,64,16") == regard("plan", "--query", "1,8,64,16", "--key", "1,8,64,16")
