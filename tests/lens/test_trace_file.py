import builtins
import json
from dataclasses import fields, replace

import pytest
import torch
from safetensors.torch import safe_open, save_file
from tests.lens.traces import layer, random, trace

from regard.lens.trace import Layer, Trace, Units
from regard.lens.trace_file import load
from regard.spec.errors import DataError, MissingExtraError, RunError


@pytest.fixture
def whole():
    """Every field is there: two items, a map, top keys, a sample, cross-attention, patches, spans."""
    tokens = Units(("<s>", "été"), "token", ((0, 0), (0, 3)), "été")
    other = Units(("a", "b"), "token")
    patches = Units(("0", "1", "2"), "patch", None, None, (1, 2), 1)
    own = layer(random(batch=2, heads=3, length=2), name="self", top=2, heads=(0, 2, 5), population=7)
    edges = {"row_edges": torch.tensor([0, 1, 2]), "col_edges": torch.tensor([0, 2])}
    own = replace(own, map=torch.rand(2, 3, 2, 1), received_error=torch.rand(2, 3, 2), **edges)
    cross = layer(torch.rand(2, 1, 2, 3), name="cross", kind="cross")
    return Trace(
        "Model",
        (own, cross),
        (tokens, other),
        key_units={"cross": (patches, patches)},
        unseen=(("block.7", "computes its own softmax"),),
        about={"torch": "2.13", "setting": "top=2"},
        query_units={"self": (other, tokens)},
    )


@pytest.fixture
def path(whole, tmp_path):
    whole.save(tmp_path / "t.safetensors")
    return tmp_path / "t.safetensors"


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    return a == b


def header_of(path):
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["regard"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def rewritten(path, header, tensors):
    save_file(tensors, path, metadata={"regard": json.dumps(header)})


def test_what_was_saved_comes_back_to_the_last_bit(whole, path):
    found = Trace.load(str(path))
    for before, after in zip(whole.layers, found.layers, strict=True):
        assert all(same(getattr(before, part.name), getattr(after, part.name)) for part in fields(Layer))
    assert (found.model, found.unseen, found.about) == (whole.model, whole.unseen, whole.about)
    for before, after in (
        (whole.units, found.units),
        (whole.key_units["cross"], found.key_units["cross"]),
        (whole.query_units["self"], found.query_units["self"]),
    ):
        for one, other in zip(before, after, strict=True):
            assert all(getattr(one, part.name) == getattr(other, part.name) for part in fields(Units))


def test_a_sequence_is_written_once_and_stays_one(path):
    found = Trace.load(path)
    assert found.query_units["self"] == (found.units[1], found.units[0])
    assert found.key_units["cross"][0] is found.key_units["cross"][1]
    assert len(header_of(path)[0]["sequences"]) == 3


def test_equal_traces_give_equal_files(whole, path, tmp_path):
    whole.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_trace_can_be_saved_over_the_file_it_came_from(path):
    found = Trace.load(path)
    found.save(path)
    found.save(path)
    assert torch.equal(Trace.load(path).layers[0].received, found.layers[0].received)
    assert [each.name for each in path.parent.iterdir()] == [path.name]  # nothing half-written is left


def test_tensors_do_not_hang_on_the_file(path):
    found = Trace.load(path)
    before = found.layers[0].received.clone()
    path.write_bytes(b"\xff" * path.stat().st_size)
    assert torch.equal(found.layers[0].received, before)


def test_a_transposed_or_half_precision_tensor_is_written_as_it_should_be(tmp_path):
    one = layer(random(batch=1, heads=2, length=3))
    odd = replace(one, received=one.received.transpose(1, 2).contiguous().transpose(1, 2), lse=one.lse.half())
    trace(odd).save(tmp_path / "t")
    found = Trace.load(tmp_path / "t").layers[0]
    assert torch.equal(found.received, one.received)
    assert found.lse.dtype == torch.float32


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.99])
def test_a_file_cut_short_is_one_line(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(
        DataError, match=r"t.safetensors cannot be read \(.*\): expected a whole safetensors file"
    ) as told:
        load(path)
    assert "\n" not in str(told.value)


def test_what_is_not_there_or_is_a_folder(tmp_path):
    with pytest.raises(DataError, match="none is not there: expected a trace file"):
        load(tmp_path / "none")
    with pytest.raises(DataError, match=r"cannot be read \(it is a folder\)"):
        load(tmp_path)


@pytest.mark.parametrize("metadata", [None, {"regard": "123 {}"}, {"regard": "[]"}, {"regard": "{}"}, {"other": "x"}])
def test_another_safetensors_file_is_no_trace(tmp_path, metadata):
    save_file({"weight": torch.zeros(2)}, tmp_path / "model", metadata=metadata)
    with pytest.raises(DataError, match="is a safetensors file, but no trace: expected a header 'regard'"):
        load(tmp_path / "model")


def test_another_version_is_refused(path):
    header, tensors = header_of(path)
    rewritten(path, {**header, "version": 2}, tensors)
    with pytest.raises(DataError, match="is a trace of version 2; this regard reads version 1"):
        load(path)


@pytest.mark.parametrize("name", ["layers.0.lse", "layers.1.keys_valid", "layers.1.positions"])
def test_a_missing_tensor_is_named(path, name):
    header, tensors = header_of(path)
    tensors.pop(name)
    rewritten(path, header, tensors)
    with pytest.raises(DataError, match=f"lacks the tensor {name}"):
        load(path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("layers.0.received", torch.zeros(2, 3, 9), r"does not fit together: layer self: received_error is"),
        ("layers.0.lse", torch.zeros(2, 3, 2, dtype=torch.float16), "layers.0.lse is float16, expected float32"),
        ("layers.0.top_keys", torch.full((2, 3, 2, 2), 5, dtype=torch.int32), "top_keys name the key 5"),
        ("layers.1.positions", torch.tensor([0, 4]), "query 4 is real, but there are 2 units"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(path, name, value, message):
    header, tensors = header_of(path)
    rewritten(path, header, {**tensors, name: value})
    with pytest.raises(DataError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": 7}, "7 stands where a text should"),
        ({"units": [9, 0]}, "header that is not a trace's"),
        ({"units": None}, "header that is not a trace's"),
        ({"layers": [{"name": "a"}]}, "'kind' is missing"),
        ({"sequences": [{}]}, "'texts' is missing"),
        ({"sequences": [{"texts": [1], "kind": "token"}]}, "'spans' is missing"),
        ({"about": []}, "header that is not a trace's"),
        ({"key_units": {"nobody": [0, 1]}}, "units are given for 'nobody'"),
    ],
)
def test_a_header_of_another_shape_is_one_line(path, change, message):
    header, tensors = header_of(path)
    rewritten(path, {**header, **change}, tensors)
    with pytest.raises(DataError, match=message) as told:
        load(path)
    assert "\n" not in str(told.value)


def test_a_folder_that_is_not_there(whole, tmp_path):
    with pytest.raises(RunError, match="cannot be written"):
        whole.save(tmp_path / "none" / "t")


def test_without_the_library_the_install_command_is_named(whole, path, monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("safetensors"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for attempt in (lambda: whole.save(path), lambda: load(path)):
        with pytest.raises(MissingExtraError, match="pip install safetensors"):
            attempt()


def test_eighteen_layers_of_eight_thousand_tokens_stay_under_sixty_megabytes(tmp_path):
    shape = (1, 4, 8192)
    one = Layer(
        name="0",
        kind="self",
        mask="causal",
        heads=(0, 1, 2, 3),
        positions=torch.arange(8192),
        population=8192,
        lse=torch.zeros(shape),
        entropy=torch.zeros(shape),
        distance=torch.zeros(shape),
        received=torch.ones(shape),
        queries_valid=torch.ones(1, 8192, dtype=torch.bool),
        keys_valid=torch.ones(1, 8192, dtype=torch.bool),
        top_keys=torch.zeros(*shape, 8, dtype=torch.int32),
        top_weights=torch.zeros(*shape, 8),
    )
    texts = tuple(f"▁token{place}" for place in range(8192))
    big = trace(*(replace(one, name=str(place)) for place in range(18)), texts=texts)
    big.save(tmp_path / "big")
    assert (tmp_path / "big").stat().st_size < 60e6
    assert len(Trace.load(tmp_path / "big").layers) == 18
