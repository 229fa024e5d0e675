"""kvpress on the texts of `loss`: run by another interpreter, which has the package and a transformers that fits it.

    python benchmarks/loss_kvpress.py JOB.json > rows.jsonl

It imports nothing of this project. A job has `model` (a folder), `texts` (token ids), `prompt` (how many of these are
read before), `layers` (those whose cache is cut; kvpress leaves those of Gemma 3 with a window alone) and `wanted`:
rows of (text, press, keys kept of the prompt). A prompt is read once, and every press handed what its hook is handed
then; what follows is read 16 tokens at a time over the cut cache, in which every later token stays.
"""

from __future__ import annotations

import copy
import functools
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

STEP = 16  # tokens read at a time after the prompt
EXACT = "exact"
PACKAGES = ("kvpress", "transformers", "torch")


def main() -> int:
    import transformers

    job = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    tell({"versions": {name: importlib.metadata.version(name) for name in PACKAGES}})
    model = transformers.AutoModelForCausalLM.from_pretrained(
        job["model"], dtype=torch.float32, local_files_only=True, use_safetensors=True
    ).eval()
    for number, ids in enumerate(job["texts"]):
        wanted = [row for row in job["wanted"] if row[0] == number]
        if wanted:
            with torch.inference_mode():
                text(model, torch.tensor([ids]), job["prompt"], job["layers"], wanted)
    return 0


def text(model: Any, ids: Tensor, prompt: int, layers: list[int], wanted: list[Any]) -> None:
    """Read one text in every way that is wanted, and tell what each came to."""
    cache, seen = read(model, ids[:, :prompt], layers)
    truth = said(model, ids, prompt, copy.deepcopy(cache))
    targets = ids[0, prompt + 1 :, None]
    right = truth.gather(1, targets)[:, 0]
    number = wanted[0][0]
    tell({"text": number, "press": EXACT, "kept": prompt, "nats": listed(-right)})
    for _, name, kept in wanted:
        try:
            found = said(model, ids, prompt, pressed(model, cache, seen, name, kept, prompt))
        except Exception as error:  # what another package raises becomes a row that says so
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
            tell({"text": number, "press": name, "kept": kept, "failed": why})
            continue
        apart = (truth.exp() * (truth - found)).sum(-1)
        row = {"text": number, "press": name, "kept": kept, "nats": listed(-found.gather(1, targets)[:, 0])}
        tell({**row, "kl": listed(apart)})


def read(model: Any, ids: Tensor, layers: list[int]) -> tuple[Any, dict[int, Any]]:
    """(the whole cache of the prompt, what a hook on each of the layers is handed)"""
    from transformers import DynamicCache

    seen: dict[int, Any] = {}

    def hook(module: Any, args: Any, kwargs: Any, output: Any) -> None:
        seen[module.layer_idx] = (module, {**kwargs, "past_key_values": None}, output)

    hooks = [model.model.layers[layer].self_attn.register_forward_hook(hook, with_kwargs=True) for layer in layers]
    cache = DynamicCache(config=model.config)
    model(ids, past_key_values=cache, logits_to_keep=1)
    for each in hooks:
        each.remove()
    return cache, seen


def pressed(model: Any, cache: Any, seen: dict[int, Any], name: str, kept: int, prompt: int) -> Any:
    """The cache, cut by one press as its own hook cuts it."""
    import kvpress

    press = getattr(kvpress, name)(compression_ratio=1 - (kept + 0.5) / prompt)
    press.post_init_from_model(model)
    own = copy.deepcopy(cache)
    for module, kwargs, output in seen.values():
        module.rotary_emb = turning(model, module)
        press.forward_hook(module, [], {**kwargs, "past_key_values": own}, output)
        found = own.layers[module.layer_idx].keys.shape[2]
        if found != kept:
            raise ValueError(f"{name} kept {found} keys, {kept} were asked for")
    return own


def turning(model: Any, module: Any) -> Any:
    """The rotary angles of a layer: since transformers 5 Gemma 3 asks for its kind, which kvpress does not tell."""
    kinds = getattr(model.config, "layer_types", None)
    if kinds is None or len(set(kinds)) == 1:
        return model.model.rotary_emb
    return functools.partial(model.model.rotary_emb, layer_type=kinds[module.layer_idx])


def said(model: Any, ids: Tensor, prompt: int, cache: Any) -> Tensor:
    """(tokens, words) log probabilities of what follows each token after the prompt; the cache grows."""
    found = []
    for start in range(prompt, ids.shape[1] - 1, STEP):
        part = ids[:, start : min(start + STEP, ids.shape[1] - 1)]
        places = torch.arange(start, start + part.shape[1])
        made = model(
            part,
            past_key_values=cache,
            position_ids=places[None],
            cache_position=places,
            attention_mask=masks(model, cache, places),
        )
        found.append(made.logits[0].float().log_softmax(-1))
    return torch.cat(found)


def masks(model: Any, cache: Any, places: Tensor) -> dict[str, Tensor]:
    """For each kind of layer bool (1, 1, tokens, keys): all that is held, and of the new tokens those up to one's own.

    The library would take the keys of a cut cache for the first ones of the text.
    """
    kinds = getattr(model.config, "layer_types", None) or ["full_attention"] * len(cache.layers)
    found = {}
    for kind in set(kinds):
        held = cache.layers[kinds.index(kind)].keys.shape[2]
        own = torch.ones(len(places), len(places), dtype=torch.bool).tril()
        allowed = torch.cat((torch.ones(len(places), held, dtype=torch.bool), own), 1)
        if kind == "sliding_attention":
            keys = torch.arange(int(places[0]) - held, int(places[-1]) + 1)
            allowed &= keys[None] > places[:, None] - model.config.sliding_window
        found[kind] = allowed[None, None]
    return found


def listed(numbers: Tensor) -> list[float]:
    return [round(float(each), 6) for each in numbers]


def tell(row: dict[str, Any]) -> None:
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
