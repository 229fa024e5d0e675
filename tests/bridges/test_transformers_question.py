"""Questions about transformers models: each kind of answer, held against the model's own figures."""

import math

import pytest
import torch
import transformers as hf
from tests.bridges import tiny
from tests.lens.eager import sharpen
from tests.lens.layered import rollout

from regard.bridges.transformers_question import ask
from regard.lens.explain import explain, weigh
from regard.lens.methods import METHODS
from regard.spec.errors import DataError, SpecError

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "film",
    "was",
    "fine",
    "##ly",
    "dull",
    "a",
    "plot",
    ",",
    "?",
]
SIZES = {"vocab_size": 53, "hidden_size": 32, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    inner = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    named = {name: f"[{name[:3].upper()}]" for name in ("pad_token", "unk_token", "cls_token", "sep_token")}
    return hf.PreTrainedTokenizerFast(tokenizer_object=inner, mask_token="[MASK]", **named)


def bert(kind=hf.BertForSequenceClassification, **more):
    model = kind(hf.BertConfig(**SIZES, max_position_embeddings=32, num_labels=3, **more)).eval()
    sharpen(model)
    return model


def probabilities(logits):
    return logits.detach().float().softmax(-1)


def every(question):
    return torch.ones(1, len(question.units), dtype=torch.bool)


def test_a_text_and_its_class(tokenizer):
    model = bert(id2label={0: "bad", 1: "good", 2: "none"}, label2id={"bad": 0, "good": 1, "none": 2})
    text = "the film was finely"
    question = ask(model, text, "good", tokenizer=tokenizer)
    own = probabilities(model(**tokenizer(text, return_tensors="pt")).logits)[0, 1].item()
    assert question.probability == pytest.approx(own, rel=1e-4)
    assert question.units.texts == ("the", "film", "was", "fine", "ly")
    assert question.units.spans[3:] == ((13, 17), (17, 19))
    assert question.attention.tokens.tolist() == [-1, 0, 1, 2, 3, 4, -1]
    assert list(question.ways) == ["mask", "delete", "zero", "mean"]
    words = ask(model, text, "good", tokenizer=tokenizer, words=True)
    assert words.units.texts == ("the", "film", "was", "finely")
    assert words.attention.tokens.tolist() == [-1, 0, 1, 2, 3, 3, -1]


@pytest.mark.parametrize(("way", "without"), [("mask", "the [MASK] was"), ("delete", "the was")])
def test_what_is_taken_away_is_a_text_without_it(tokenizer, way, without):
    model = bert()
    question = ask(model, "the film was", 1, tokenizer=tokenizer)
    keep = torch.tensor([[True, False, True], [True, True, True], [False, False, False]])
    expected = [
        probabilities(model(**tokenizer(text, return_tensors="pt")).logits)[0, 1] for text in (without, "the film was")
    ]
    found = question.scores(keep, way).exp()
    assert found[:2].tolist() == pytest.approx([one.item() for one in expected], rel=1e-4)


def test_rollout_is_that_of_the_models_own_matrices(tokenizer):
    model = bert()
    given = tokenizer("the film was fine , a plot", return_tensors="pt")
    found = weigh(ask(model, given, 0), "rollout").weights
    model.set_attn_implementation("eager")
    matrices = [layer[0].detach() for layer in model(**given, output_attentions=True).attentions]
    # the class is read from the first place
    torch.testing.assert_close(found, rollout(matrices)[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [tiny.llama, tiny.gemma3, tiny.mistral])
def test_the_next_token_of_a_decoder(make):
    model, ids = make().eval(), tiny.ids()[:1]
    own = probabilities(model(ids).logits)[0, -1]
    question = ask(model, ids)
    assert (question.target, question.default) == (str(int(own.argmax())), "delete")
    assert question.probability == pytest.approx(own.max().item(), rel=1e-4)
    shorter = probabilities(model(ids[:, 1:]).logits)[0, -1, int(own.argmax())].item()
    keep = every(question).repeat(2, 1)
    keep[0, 0] = False  # rows of two lengths, with padding
    assert question.scores(keep, "delete").exp().tolist() == pytest.approx([shorter, own.max().item()], rel=1e-4)
    model.set_attn_implementation("eager")
    matrices = [layer[0].detach() for layer in model(ids, output_attentions=True).attentions]
    torch.testing.assert_close(weigh(question, "rollout").weights, rollout(matrices)[-1], rtol=1e-4, atol=1e-6)


def test_several_tokens_that_come_next_have_the_product_of_their_probabilities(tokenizer):
    model = tiny.llama().eval()
    sharpen(model)
    prompt = tokenizer("the film was", return_tensors="pt", add_special_tokens=False)
    question = ask(model, prompt, "fine ,", tokenizer=tokenizer)
    ids = torch.cat((prompt["input_ids"], torch.tensor([[8, 13]])), 1)
    logs = model(ids).logits.detach().log_softmax(-1)
    expected = logs[0, 2, 8] + logs[0, 3, 13]
    assert question.probability == pytest.approx(expected.exp().item(), rel=1e-3)
    assert len(question.units) == 3
    assert question.attention.readout.tolist() == [0, 0, 0.5, 0.5]
    assert weigh(question, "occlusion").weights.shape == (3,)


def test_what_an_encoder_decoder_writes_next(tokenizer):
    config = hf.T5Config(
        vocab_size=53, d_model=32, d_ff=24, d_kv=8, num_layers=2, num_heads=4, decoder_start_token_id=0
    )
    model = hf.T5ForConditionalGeneration(config).eval()
    question = ask(model, "the film was dull", "fine", tokenizer=tokenizer, written="a")
    given = tokenizer("the film was dull", return_tensors="pt")
    ids, present = given["input_ids"], given["attention_mask"]
    logits = model(input_ids=ids, attention_mask=present, decoder_input_ids=torch.tensor([[0, 11]])).logits
    assert question.probability == pytest.approx(probabilities(logits)[0, -1, 8].item(), rel=1e-4)
    assert question.units.texts == ("the", "film", "was", "dull")
    mass = weigh(question, "rollout").weights
    assert 0 < float(mass.sum()) <= 0.75  # a quarter stays with the decoder through its two layers
    assert explain(model, "the film was dull", tokenizer=tokenizer).target


def test_a_hidden_token_a_class_of_one_token_and_a_span(tokenizer):
    hidden = bert(hf.BertForMaskedLM)
    given = tokenizer("the [MASK] was", return_tensors="pt")
    question = ask(hidden, given, "film", tokenizer=tokenizer)
    assert question.target == "film at place 2"
    assert question.probability == pytest.approx(probabilities(hidden(**given).logits)[0, 2, 6].item(), rel=1e-4)
    tagger = bert(hf.BertForTokenClassification)
    tagged = ask(tagger, given, (3, "LABEL_1"))
    assert tagged.probability == pytest.approx(probabilities(tagger(**given).logits)[0, 3, 1].item(), rel=1e-4)
    assert "delete" not in tagged.ways
    answers = hf.BertForQuestionAnswering(hf.BertConfig(**SIZES)).eval()
    pair = tokenizer("what ?", "the film was dull", return_tensors="pt")
    spanned = ask(answers, ("what ?", "the film was dull"), (4, 5), tokenizer=tokenizer)
    out = answers(**pair)
    expected = probabilities(out.start_logits)[0, 4] * probabilities(out.end_logits)[0, 5]
    assert spanned.probability == pytest.approx(expected.item(), rel=1e-4)
    assert spanned.target == "the film"


@pytest.fixture
def looker():
    config = hf.ViTConfig(
        hidden_size=32,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=24,
        patch_size=8,
        num_labels=3,
    )
    model = hf.ViTForImageClassification(config).eval()
    sharpen(model)
    return model


def test_patches_of_a_picture(looker):
    pixels = torch.randn(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    question = ask(looker, {"pixel_values": pixels}, 1, others=[{"pixel_values": pixels + 1}])
    assert (question.units.grid, list(question.ways)) == ((3, 3), ["mean", "zero", "other"])
    keep = every(question)
    keep[0, 5] = False
    changed = pixels.clone()
    changed[:, :, 8:16, 16:24] = 0.0
    expected = probabilities(looker(pixel_values=changed).logits)[0, 1].item()
    assert question.scores(keep, "zero").exp().item() == pytest.approx(expected, rel=1e-4)
    assert question.attention.tokens.tolist() == [-1, *range(9)]
    looker.set_attn_implementation("eager")
    matrices = [layer[0].detach() for layer in looker(pixels, output_attentions=True).attentions]
    torch.testing.assert_close(weigh(question, "rollout").weights, rollout(matrices)[0, 1:], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", [method.name for method in METHODS])
def test_every_method_answers_for_every_kind(method, looker):
    if method == "integrated gradients":
        pytest.importorskip("captum")
    ids = tiny.ids()[:1]
    for model, inputs in ((tiny.llama().eval(), ids), (bert(), ids), (looker, torch.randn(1, 3, 24, 24))):
        question = ask(model, inputs)
        weights = weigh(question, method).weights
        assert weights.shape == (len(question.units),)
        assert math.isfinite(float(weights.sum()))


def test_padding_that_came_with_the_input_stays_padding(tokenizer):
    model = bert()
    padded = tokenizer("the film was", return_tensors="pt", padding="max_length", max_length=9)
    question = ask(model, padded, 1, tokenizer=tokenizer)
    assert question.units.texts == ("the", "film", "was")
    plain = ask(model, "the film was", 1, tokenizer=tokenizer)
    assert question.probability == pytest.approx(plain.probability, rel=1e-4)
    keep = torch.tensor([[True, False, True]])
    assert question.scores(keep, "mask").item() == pytest.approx(plain.scores(keep, "mask").item(), rel=1e-3)


def test_what_cannot_be_asked_is_said(tokenizer, looker):
    model = bert()
    with pytest.raises(SpecError, match="without tokenizer="):
        ask(model, "a text")
    with pytest.raises(SpecError, match="without processor="):
        ask(looker, object())
    with pytest.raises(SpecError, match="no such class"):
        ask(model, "the film", "splendid", tokenizer=tokenizer)
    with pytest.raises(DataError, match="no tokens but special ones"):
        ask(model, "", tokenizer=tokenizer)
    with pytest.raises(SpecError, match="one input at a time"):
        ask(model, tiny.ids())
    with pytest.raises(SpecError, match="load it with its head"):
        ask(hf.BertModel(hf.BertConfig(**SIZES)).eval(), tiny.ids()[:1])
    with pytest.raises(SpecError, match="written= is for encoder-decoders"):
        ask(tiny.llama().eval(), tiny.ids()[:1], written="so far", tokenizer=tokenizer)
    with pytest.raises(SpecError, match="is 2 tokens"):
        ask(bert(hf.BertForMaskedLM), "the [MASK]", "fine ,", tokenizer=tokenizer)
    with pytest.raises(SpecError, match="the place of a token"):
        ask(bert(hf.BertForTokenClassification), tiny.ids()[:1])
