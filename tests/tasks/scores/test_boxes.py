"""Mean average precision by hand, and beside pycocotools on drawn scenes."""

import contextlib
import io

import numpy as np
import pytest
from tests.optional_packages import package

from regard.spec.errors import DataError
from regard.tasks.scores.boxes import MAP_50_95, Boxes, box_iou, mean_average_precision, overlaps
from regard.tasks.scores.interval import members


def boxes(*rows, scores=None, labels=None):
    places = np.array(rows, dtype=float).reshape(-1, 4)
    labels = np.zeros(len(places), dtype=np.int64) if labels is None else np.array(labels)
    return Boxes(places, labels, None if scores is None else np.array(scores, dtype=float))


ONE, FAR = (0, 0, 10, 10), (50, 50, 60, 60)


def scenes(seed, pictures=12, classes=3):
    """True boxes, and answers that are shifted, doubled, left out, put in, of wrong classes; scores with ties."""
    chance = np.random.default_rng(seed)
    truths, answers = [], []
    for _ in range(pictures):
        corner = chance.integers(0, 60, (chance.integers(0, 5), 2))
        places = np.concatenate([corner, corner + chance.integers(5, 40, corner.shape)], axis=1).astype(float)
        labels = chance.integers(0, classes, len(places))
        truths.append(Boxes(places, labels))
        found = np.concatenate([places, places, places])[chance.permutation(3 * len(places))[: 2 * len(places)]]
        found = found + np.repeat(chance.integers(-4, 5, (len(found), 2)), 2, axis=0).reshape(len(found), 4)
        scores = chance.integers(0, 6, len(found)) / 5
        answers.append(Boxes(found, chance.integers(0, classes, len(found)), scores))
    return answers, truths


def plain(rows):
    """Boxes as pycocotools has them: one record a box, left, top, width, height."""
    records = []
    for picture, one in enumerate(rows):
        for number, ((left, top, right, bottom), label) in enumerate(zip(one.places, one.labels, strict=True)):
            wide, high = right - left, bottom - top
            record = {"image_id": picture, "category_id": int(label), "bbox": [left, top, wide, high], "iscrowd": 0}
            record |= {"id": len(records) + 1, "area": wide * high}
            record |= {} if one.scores is None else {"score": float(one.scores[number])}
            records.append(record)
    return records


def coco(answers, truths):
    """(mAP@[.5:.95], mAP@.5) by pycocotools."""
    truth = package("pycocotools.coco", "pycocotools").COCO()
    truth.dataset = {
        "images": [{"id": picture} for picture in range(len(truths))],
        "categories": [{"id": int(label)} for label in np.unique(np.concatenate([one.labels for one in truths]))],
        "annotations": plain(truths),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found = truth.loadRes(plain(answers))
        judged = package("pycocotools.cocoeval", "pycocotools").COCOeval(truth, found, "bbox")
        judged.evaluate()
        judged.accumulate()
        judged.summarize()
    return judged.stats[0], judged.stats[1]


def test_overlaps_by_hand():
    shared = overlaps(np.array([[0, 0, 10, 10.0], [20, 20, 30, 30]]), np.array([[5, 0, 15, 10.0], [0, 0, 10, 10]]))
    assert shared == pytest.approx(np.array([[50 / 150, 1.0], [0.0, 0.0]]))
    assert overlaps(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


@pytest.mark.parametrize("seed", range(6))
def test_it_is_pycocotools(seed):
    answers, truths = scenes(seed)
    every, half = coco(answers, truths)
    assert mean_average_precision(MAP_50_95)(answers, truths, protocol="p").value == pytest.approx(every, abs=1e-9)
    assert mean_average_precision()(answers, truths, protocol="p").value == pytest.approx(half, abs=1e-9)


def test_a_wrong_box_before_the_right_one_halves_precision():
    metric = mean_average_precision()([boxes(FAR, ONE, scores=[0.9, 0.8])], [boxes(ONE)], protocol="p")
    assert metric.value == pytest.approx(0.5)
    assert metric.name == "mAP@.5"


def test_a_wrong_box_after_it_does_no_harm():
    assert mean_average_precision()([boxes(ONE, FAR, scores=[0.9, 0.8])], [boxes(ONE)], protocol="p").value == 1.0


def test_a_true_box_is_found_once():
    # two true boxes, one found twice: recall .5 at precision 1: 51 of 101 recalls
    answers = [boxes(ONE, ONE, scores=[0.9, 0.8])]
    assert mean_average_precision()(answers, [boxes(ONE, FAR)], protocol="p").value == pytest.approx(51 / 101)


def test_of_two_true_boxes_as_near_the_last_is_taken_as_pycocotools_has_it():
    # the first answer lies 9/11 over both, the second one on the last: what is left for it overlaps 2/3 only
    answers = [boxes((1, 0, 11, 10), (2, 0, 12, 10), scores=[0.9, 0.8])]
    truths = [boxes((0, 0, 10, 10), (2, 0, 12, 10))]
    assert mean_average_precision((0.75,))(answers, truths, protocol="p").value == pytest.approx(51 / 101)
    every = mean_average_precision(MAP_50_95)(answers, truths, protocol="p").value
    assert every == pytest.approx(coco(answers, truths)[0])


def test_the_class_has_to_be_right():
    answers = [boxes(ONE, scores=[0.9], labels=[1])]
    assert mean_average_precision()(answers, [boxes(ONE, labels=[0])], protocol="p").value == 0.0


def test_boxes_half_right_count_below_their_overlap():
    answers = [boxes((0, 0, 10, 7), scores=[0.9])]  # overlap .7: right at .5 to .7, five of ten thresholds
    metric = mean_average_precision(MAP_50_95)(answers, [boxes(ONE)], protocol="p")
    assert metric.value == pytest.approx(0.5)
    assert metric.name == "mAP@[.5:.95]"


def test_the_interval_is_that_of_resampled_pictures():
    answers, truths = scenes(1, pictures=40)
    measure = mean_average_precision()
    metric = measure(answers, truths, protocol="p")
    chance, scores = np.random.default_rng(0), []
    for _ in range(200):
        rows = chance.integers(0, 40, 40)
        drawn = measure.weigh([answers[row] for row in rows], [truths[row] for row in rows])
        scores.append(drawn.value)
    low, high = np.quantile(scores, (0.025, 0.975))
    assert (metric.low, metric.high) == pytest.approx((low, high), abs=0.25 * (high - low))


def test_pictures_are_drawn_as_if_they_stood_there_twice():
    answers, truths = scenes(2, pictures=6)
    measure = mean_average_precision(MAP_50_95)
    drawn = [0, 0, 2, 3, 3, 3]
    weights = np.bincount(drawn, minlength=6)[None].astype(float)
    by_weight = measure.weigh(answers, truths).pooled(members(6))(weights)[0]
    by_hand = measure.weigh([answers[row] for row in drawn], [truths[row] for row in drawn]).value
    assert by_weight == pytest.approx(by_hand)


def test_a_perfect_answer_gains_over_none():
    truths = [boxes(ONE), boxes(FAR)]
    best = [boxes(ONE, scores=[1.0]), boxes(FAR, scores=[1.0])]
    none = [boxes(scores=[]), boxes(scores=[])]
    metric = mean_average_precision().gain(best, none, truths, protocol="p")
    assert (metric.value, metric.low, metric.high) == pytest.approx((1.0, 1.0, 1.0))


def test_box_iou_counts_as_many_answers_as_there_are_boxes():
    answers = [boxes((0, 0, 10, 5), ONE, scores=[0.9, 0.8])]
    assert box_iou.each(answers, [boxes(ONE)]).tolist() == [0.5]  # the surest one, not the best one
    assert box_iou.each(answers, [boxes(ONE, FAR)]).tolist() == [0.5]  # 1 and 0
    assert box_iou.each([boxes(ONE, scores=[1.0], labels=[1])], [boxes(ONE)]).tolist() == [0.0]


def test_odd_boxes_are_refused():
    with pytest.raises(DataError, match="left <= right"):
        boxes((10, 0, 0, 10))
    with pytest.raises(DataError, match=r"expected \(n, 4\)"):
        Boxes(np.zeros((2, 4)), np.zeros(1, dtype=np.int64))
    with pytest.raises(DataError, match="NaN"):
        boxes(ONE, scores=[np.nan])
    with pytest.raises(DataError, match="without scores"):
        mean_average_precision()([boxes(ONE)], [boxes(ONE)], protocol="p")
    with pytest.raises(DataError, match="none of 1 pictures has a true box"):
        mean_average_precision()([boxes(ONE, scores=[1.0])], [boxes()], protocol="p")
    with pytest.raises(DataError, match=r"picture 1 .* no true box"):
        box_iou([boxes(scores=[])] * 2, [boxes(ONE), boxes()], protocol="p")
