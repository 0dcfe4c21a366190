"""What every captioning method must keep. A new file is tested before its author writes a test."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import warnings
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from geoglot.core import registry
from geoglot.core.method import MethodCard
from geoglot.nn.captioner import END, PADDING, START, CaptionBatch, Captioner, rows
from geoglot.nn.captioner_graph import graphs
from geoglot.nn.decoding import write_captions, write_context
from geoglot.text.caption_decoding import Writing, Written

PACKAGE = "geoglot.methods.captioning"
HEADINGS = ("Paper", "Input", "Output", "Equations", "Deviations", "Reproduces", "Provenance")
SIZES: dict[str, Any] = {
    "channels": 12,
    "vocabulary": 20,
    "attributes": 6,
    "languages": 1,
    "categories": 3,
    "max_length": 12,
}
CAPTIONS = ([4, 5, 6, END], [4, 7, 8, 9, 10, END], [11, END], [12, 5, 13, 5, 14, 15, 6, END])
LATE = 0.99
CASES = [
    (name, variant) for name in registry.names(PACKAGE) for variant in registry.load(PACKAGE, name).METHOD.variants
]


@pytest.fixture(params=CASES, ids=[f"{name}-{variant}" for name, variant in CASES])
def case(request: pytest.FixtureRequest) -> tuple[ModuleType, str]:
    name, variant = request.param
    return registry.load(PACKAGE, name), variant


@pytest.fixture(params=registry.names(PACKAGE))
def method(request: pytest.FixtureRequest) -> ModuleType:
    return registry.load(PACKAGE, request.param)


def build(case: tuple[ModuleType, str], **more: Any) -> Captioner:
    method, variant = case
    torch.manual_seed(0)
    model: Captioner = method.Model(method.Config(**{**SIZES, **method.SMALL, "variant": variant, **more}))
    return model


def batch_of(*, progress: float = LATE, seed: int = 0, padding: int = 0) -> CaptionBatch:
    """Four images, each with its caption; in two scene categories."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.full((4, 1 + max(map(len, CAPTIONS)) + padding), PADDING)
    attributes = torch.zeros(4, SIZES["attributes"])
    for row, caption in enumerate(CAPTIONS):
        tokens[row, : 1 + len(caption)] = torch.tensor([START, *caption])
        attributes[row, [word - 4 for word in caption if 4 <= word < 10]] = 1
    return CaptionBatch(
        grids=torch.randn(4, SIZES["channels"], 3, 3, generator=generator),
        tokens=tokens,
        attributes=attributes,
        items=torch.arange(4),
        categories=torch.tensor([0, 0, 2, 2]),
        languages=torch.zeros(4, dtype=torch.int64),
        progress=progress,
    )


def row_of(batch: CaptionBatch, chosen: Tensor) -> CaptionBatch:
    tensors = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    picked = {name: value[chosen] if isinstance(value, Tensor) else value for name, value in tensors.items()}
    return CaptionBatch(**picked)


@torch.no_grad()
def stepped(model: Captioner, batch: CaptionBatch) -> tuple[Tensor, list[Tensor], list[dict[str, Tensor]]]:
    """-log p of each caption by steps, the log-probabilities and the states."""
    model.eval()
    context = model.context(batch.grids, batch.languages)
    state = model.start(context)
    states, said = [state], []
    cost = torch.zeros(len(batch.tokens))
    for place in range(batch.tokens.shape[1] - 1):
        log_probabilities, state = model.step(context, state, batch.tokens[:, place])
        target = batch.tokens[:, place + 1]
        cost -= torch.where(target == PADDING, 0, log_probabilities.gather(1, target[:, None]).squeeze(1))
        said.append(log_probabilities)
        states.append(state)
    return cost, said, states


def spoken(written: Written) -> list[list[int]]:
    return [[int(token) for token in row if token != PADDING] for row in written.tokens]


def test_method_has_a_name_plate(method: ModuleType) -> None:
    assert isinstance(method.METHOD, MethodCard)
    assert method.METHOD.kind == "captioner"
    for variant in method.METHOD.variants:
        assert method.Config(variant=variant).variant == variant
        assert method.paper_parameters(variant) > 0
    for name in SIZES:
        assert name in {field.name for field in dataclasses.fields(method.Config)}


def test_parameters_are_counted_at_the_paper_sizes(method: ModuleType) -> None:
    """What the tests build is small; what the file counts is not."""
    for variant in method.METHOD.variants:
        small = sum(parameter.numel() for parameter in build((method, variant)).parameters())
        assert small < 200_000 < method.paper_parameters(variant)


def test_docstring_has_its_headings_and_names_real_functions(method: ModuleType) -> None:
    lines = (method.__doc__ or "").splitlines()
    for heading in HEADINGS:
        assert any(line.startswith(heading) for line in lines), heading
    defined = {node.name for node in ast.walk(ast.parse(inspect.getsource(method))) if hasattr(node, "name")}
    arrows = [line.split("->")[-1].strip() for line in lines if "-> " in line and "(" not in line.split("->")[-1]]
    assert arrows
    for name in arrows:
        if name.startswith("nn."):
            module, _, member = name.rpartition(".")
            assert hasattr(registry.load("geoglot.nn", module.removeprefix("nn.")), member), name
        else:
            assert name.split(".")[-1] in defined, name


def test_words_are_a_distribution(case: tuple[ModuleType, str]) -> None:
    _, said, states = stepped(build(case), batch_of())
    for log_probabilities in said:
        assert log_probabilities.shape == (4, SIZES["vocabulary"])
        assert torch.allclose(log_probabilities.exp().sum(1), torch.ones(4), atol=1e-5)
    for state in states:
        assert list(state) == list(states[0])
        assert all(len(tensor) == 4 for tensor in state.values())
        if "attention" in state:
            assert state["attention"].shape == (4, 9)
            assert (state["attention"] >= 0).all()
            assert torch.allclose(state["attention"].sum(1), torch.ones(4), atol=1e-5)


def test_attributes_are_probabilities(case: tuple[ModuleType, str]) -> None:
    with torch.no_grad():
        context = build(case).eval().context(batch_of().grids, batch_of().languages)
    assert all(len(tensor) == 4 for tensor in context.values())
    if "attributes" in context:
        assert context["attributes"].shape == (4, SIZES["attributes"])
        assert ((context["attributes"] >= 0) & (context["attributes"] <= 1)).all()


def test_terms_are_per_caption(case: tuple[ModuleType, str]) -> None:
    for progress in (0.0, LATE):
        losses = build(case).train().losses(batch_of(progress=progress))
        assert losses["total"].ndim == 0
        for name, value in losses.items():
            assert torch.isfinite(value).all(), name
            assert value.shape == (() if name == "total" else (4,)), name


def test_loss_of_a_caption_is_the_sum_of_its_steps(case: tuple[ModuleType, str]) -> None:
    """Teacher forcing takes all words at once; the decoding loop takes them one by one."""
    model, batch = build(case).eval(), batch_of()
    losses = model.losses(batch)
    if "caption" in losses:  # a method that finds a sentence instead of saying words has no such term
        assert torch.allclose(losses["caption"], stepped(model, batch)[0], atol=1e-4)


def test_padding_does_not_matter(case: tuple[ModuleType, str]) -> None:
    model = build(case).eval()
    short, long = (model.losses(batch_of(padding=padding)) for padding in (0, 5))
    for name, value in short.items():
        assert torch.allclose(value, long[name], atol=1e-5), name


def test_captions_do_not_depend_on_the_batch(case: tuple[ModuleType, str]) -> None:
    model, batch = build(case).eval(), batch_of()
    together = model.losses(batch)
    cost, said, _ = stepped(model, batch)
    for order in (torch.tensor([2]), torch.tensor([3, 1, 1])):
        some = row_of(batch, order)
        if "caption" in together:
            assert torch.allclose(model.losses(some)["caption"], together["caption"][order], atol=1e-5)
        alone, words, _ = stepped(model, some)
        assert torch.allclose(alone, cost[order], atol=1e-5)
        assert torch.allclose(words[0], said[0][order], atol=1e-5)


@torch.no_grad()
def test_rows_of_context_and_state_can_be_reordered(case: tuple[ModuleType, str]) -> None:
    """What a beam does: a caption takes the place of another, with all that belongs to it."""
    model, batch = build(case).eval(), batch_of()
    context = model.context(batch.grids, batch.languages)
    state = model.start(context)
    for place in range(2):
        _, state = model.step(context, state, batch.tokens[:, place])
    order = torch.tensor([3, 3, 0])
    expected, _ = model.step(context, state, batch.tokens[:, 2])
    found, _ = model.step(rows(context, order), rows(state, order), batch.tokens[order, 2])
    assert torch.allclose(found, expected[order], atol=1e-5)


def test_gradients_reach_every_parameter(case: tuple[ModuleType, str]) -> None:
    """In the phase it learns in; ``total`` alone is followed."""
    model = build(case, languages=2).train()
    reached: set[str] = set()
    for progress in (0.0, LATE):
        model.zero_grad(set_to_none=True)
        batch = dataclasses.replace(batch_of(progress=progress), languages=torch.tensor([0, 1, 1, 0]))
        model.losses(batch)["total"].backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                assert torch.isfinite(parameter.grad).all(), name
                if (parameter.grad != 0).any():
                    reached.add(name)
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == reached


def test_four_captions_can_be_learnt_and_said(case: tuple[ModuleType, str]) -> None:
    model = build(case).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(150):
        losses = model.losses(batch_of(progress=step / 150))
        optimiser.zero_grad(set_to_none=True)
        losses["total"].backward()
        optimiser.step()
    batch = batch_of()
    for writing in (Writing(), Writing(way="beam", beam=3, length_power=0.7)):
        written, context = write_captions(model, batch.grids, batch.languages, writing)
        assert spoken(written) == [list(caption) for caption in CAPTIONS]
        if "attributes" in context:
            assert ((context["attributes"] > 0.5) == (batch.attributes > 0.5)).float().mean() > 0.85
    assert model.training


def test_language_changes_what_is_said(case: tuple[ModuleType, str]) -> None:
    model, batch = build(case, languages=2).eval(), batch_of()
    other = dataclasses.replace(batch, languages=torch.ones(4, dtype=torch.int64))
    remember = getattr(model, "remember", None)  # of a method that finds sentences: it must have read some
    if remember is not None:
        remember(batch.tokens[:, 1:], batch.languages)
        remember(torch.tensor([[16, 17, END]]), torch.ones(1, dtype=torch.int64))
    first, second = (stepped(model, given)[1][0] for given in (batch, other))
    assert ((first - second).abs().amax(1) > 1e-6).all()


def test_saved_weights_say_the_same(case: tuple[ModuleType, str]) -> None:
    model, again = build(case), build(case)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    again.load_state_dict(model.state_dict())
    assert torch.equal(stepped(model, batch_of())[0], stepped(again, batch_of())[0])


def test_word_vectors_can_be_given(case: tuple[ModuleType, str]) -> None:
    model = build(case)
    for name, table in model.word_tables().items():
        assert isinstance(table, nn.Embedding)
        before = table.weight.detach().clone()
        vectors = torch.full(tuple(table.weight.shape), 0.5)
        vectors[1, 0] = torch.nan
        model.start_from({name: vectors, "unheard of": vectors})
        assert torch.equal(table.weight[1], before[1])
        assert (table.weight[2:] == 0.5).all()
        with pytest.raises(ValueError, match=name):
            model.start_from({name: vectors[:, 1:]})


@torch.no_grad()
def test_decoding_gives_attention_of_every_word(case: tuple[ModuleType, str]) -> None:
    model, batch = build(case).eval(), batch_of()
    context = model.context(batch.grids, batch.languages)
    for way in ("greedy", "beam", "sample"):
        written = write_context(model, context, Writing(way=way, max_length=6))  # type: ignore[arg-type]
        assert len(written.tokens) == 4
        looks = "attention" in model.start(context)
        assert (written.attention is not None) == looks
        if written.attention is not None:
            said = written.tokens != PADDING
            assert written.attention.shape == (*written.tokens.shape, 9)
            assert np.allclose(written.attention.sum(2), said, atol=1e-5)


def exported(graph: nn.Module, examples: tuple[Tensor, ...], names: tuple[str, ...]) -> onnxruntime.InferenceSession:
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of every number it takes for a constant; rows are tested
        torch.onnx.export(
            graph,
            examples,
            stream,
            input_names=list(names),
            dynamic_axes={name: {0: "rows"} for name in names},
            opset_version=17,
            dynamo=False,
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(stream.getvalue(), options, providers=["CPUExecutionProvider"])


@torch.no_grad()
def test_both_graphs_are_exported(case: tuple[ModuleType, str]) -> None:
    """Image and word as ONNX: what is said differs by less than 1e-4, for any number of rows."""
    model, batch = build(case, languages=2).eval(), batch_of()
    languages = torch.tensor([0, 1, 1, 0])
    image, step, names = graphs(model, batch.grids, languages)
    given = dict(zip(names, image(batch.grids, languages), strict=True))
    inputs = ("words", *step.context, *step.state)
    tensors = tuple(given[name] for name in inputs[1:])
    first = exported(image, (batch.grids, languages), ("grids", "languages"))
    second = exported(step, (batch.tokens[:, 0], *tensors), inputs)
    for order in (torch.arange(4), torch.tensor([2]), torch.tensor([3, 0, 1, 1, 2, 3, 0])):
        feed = {"grids": batch.grids[order].numpy(), "languages": languages[order].numpy()}
        known = dict(zip(names, first.run(None, feed), strict=True))
        context = model.context(batch.grids[order], languages[order])
        state = model.start(context)
        for place in range(3):
            words = batch.tokens[order, place]
            expected, state = model.step(context, state, words)
            found = second.run(None, {"words": words.numpy(), **{name: known[name] for name in inputs[1:]}})
            known |= dict(zip(step.outputs, found[1:], strict=True))
            assert np.abs(found[0] - expected.numpy()).max() < 1e-4
