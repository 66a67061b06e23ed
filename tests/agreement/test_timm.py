"""timm's networks: every level, the logits and the gradients are ours, in float64."""

from collections.abc import Callable, Iterator

import pytest
import timm

from resnets.net.network import ResNet
from resnets.spec.variants import architecture
from tests.agreement.compare import assert_equal, our_gradients, our_outputs
from tests.agreement.rows import GOLDEN_SIZE, SIZES, TIMM_FAMILIES, WITHOUT_GOLDEN, Size, versions
from tests.agreement.timm_side import TimmSide, carry
from tests.goldens import network_of, picture, random_weights, write_golden

Record = Callable[[str, object], None]
Pair = tuple[str, TimmSide, ResNet]
TOLERANCE = 1e-9
FAMILY = {name: family for family, names in TIMM_FAMILIES.items() for name in names}


@pytest.fixture(scope="module", params=[*FAMILY])
def both(request: pytest.FixtureRequest) -> Iterator[Pair]:
    ours = network_of(architecture(request.param))
    yield request.param, carry(request.param, ours.plan, random_weights(ours.plan)), ours


@pytest.mark.parametrize("size", SIZES)
def test_levels_and_logits_equal_timm(both: Pair, size: Size, record_property: Record) -> None:
    name, theirs, ours = both
    x = picture((2, 3, *size))
    error = assert_equal(our_outputs(ours, x), theirs.outputs(x), TOLERANCE)
    record_property(f"{FAMILY[name]}: levels and logits, float64", error)


def test_gradients_equal_timm(both: Pair, record_property: Record) -> None:
    name, theirs, ours = both
    x = picture((1, 3, *GOLDEN_SIZE))
    error = assert_equal(our_gradients(ours, x), theirs.gradients(x), TOLERANCE)
    record_property(f"{FAMILY[name]}: gradients, float64", error)


def test_the_golden_is_what_timm_computes(both: Pair) -> None:
    name, theirs, ours = both
    x = picture((1, 3, *GOLDEN_SIZE))
    outputs = theirs.outputs(x)
    assert_equal(our_outputs(ours, x), outputs, TOLERANCE)
    if name not in WITHOUT_GOLDEN:
        reference = f"timm.create_model({name!r})"
        write_golden(name, reference, versions(timm), x.shape, outputs)
