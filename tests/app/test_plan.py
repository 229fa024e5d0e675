import re
import resource

import torch

import regard as library
from regard.app.commands import plan as module
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
    assert re.search(r"^kernel      (streaming|blocks):", out, re.MULTILINE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_a_device_that_is_not_there_is_a_typing_error(regard):
    code, out, err = regard("plan", "--query", "1,1,4,4", "--key", "1,1,4,4", "--device", "nonsense")
    assert (code, out) == (2, "")
    assert "'nonsense' cannot be used here" in err
    assert len(err.splitlines()) == 1


def test_keys_are_by_default_the_queries(regard):
    assert regard("plan", "--query", "1,8,64,16") == regard("plan", "--query", "1,8,64,16", "--key", "1,8,64,16")


def test_measured_times_stand_beside_the_predicted_ones(regard):
    code, out, err = regard("plan", "--query", "1,2,8,4", "--gradient", "--measure")
    assert (code, err) == (0, "")
    asked, kernel, why, times = out.splitlines()[:4]
    assert asked.endswith("with gradient")
    assert kernel.startswith("kernel")
    assert re.fullmatch(r"why +the cheapest that fits, about \S+ m?s, measured \S+ m?s", why)
    assert times.startswith("times by")


def test_what_does_not_fit_in_memory_is_not_measured(regard, one_line, tmp_path, monkeypatch):
    """2 MiB are free. Three times 1 x 1 x 4,096 x 64 numbers of four bytes are 3 MiB, and the kernel wants its own."""
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 9 kB\nMemAvailable: 2048 kB\n")
    monkeypatch.setattr(module, "_MEMORY", memory)
    code, out, err = regard("plan", "--query", "1,1,4096,64", "--measure")
    assert (code, out) == (2, "")
    told = re.search(r"error: .*--measure: (\d+) MiB are needed, 2 MiB are free; give smaller shapes", one_line(err))
    assert told is not None
    assert int(told[1]) >= 3
    assert regard("plan", "--query", "1,1,4096,64")[0] == 0
    memory.unlink()
    assert module._free_bytes() is None
    assert regard("plan", "--query", "1,1,16,4", "--measure")[0] == 0
