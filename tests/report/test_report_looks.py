"""How the report looks, as far as numbers can say: contrast, and states told apart without colour."""

from __future__ import annotations

import re

from hypocenter.report import render
from hypocenter.report.topology_svg import STYLE

STATES = ("cause", "suspect", "affected", "normal", "unobserved")


def test_states_differ_in_more_than_colour(sample):
    """Without fill and stroke colours, the rules of every state's frame still differ."""
    style = re.search("<style>(.*?)</style>", render(sample("shop")), flags=re.DOTALL).group(1)
    looks = set()
    for state in STATES:
        rule = re.search(rf"\.frame\.{state} {{(.*?)}}", style)
        text = rule.group(1) if rule else ""
        looks.add((state == "cause", "hatch" in text, "dasharray" in text, "stroke-width: 2.5" in text))
    assert len(looks) == len(STATES)
    text = render(sample("shop"))
    assert all(words in text for words in ("probable cause", "suspect", "affected", "not observed"))


def luminance(colour):
    channels = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """WCAG 2.2, relative luminance and contrast ratio."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_text_stands_out_from_its_ground_in_light_and_dark(sample):
    style = re.search("<style>(.*?)</style>", render(sample("shop")), flags=re.DOTALL).group(1)
    blocks = re.findall(r":root {(.*?)}", style, flags=re.DOTALL)
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in blocks[:2])
    grounds = ("paper", "ground", "faint", "cause-tint", "suspect-tint", "affected-tint")
    for colours in (light, {**light, **dark}):
        assert colours["ink"] != colours["paper"]
        for ground in grounds:
            assert contrast(colours["ink"], colours[ground]) >= 4.5
            assert contrast(colours["muted"], colours[ground]) >= 4.5, ground
        for text in ("cause-ink", "good"):
            assert contrast(colours[text], colours["paper"]) >= 4.5, text
        assert contrast(colours["cause-ink"], colours["cause-tint"]) >= 4.5
        for stroke in ("cause", "suspect", "affected", "measure"):
            assert contrast(colours[stroke], colours["paper"]) >= (2.2 if stroke == "suspect" else 3.0), stroke


def test_the_picture_of_the_graph_stands_out_from_its_ground_in_light_and_dark():
    blocks = re.findall(r"svg {(.*?)}", STYLE, flags=re.DOTALL)
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", block)) for block in blocks[:2])
    for colours in (light, {**light, **dark}):
        for ground in ("paper", "faint", "data-tint", "queue-tint"):
            assert contrast(colours["ink"], colours[ground]) >= 7, ground
            assert contrast(colours["muted"], colours[ground]) >= 4.5, ground
        for stroke in ("line", "data", "queue", "gone", "lean"):
            assert contrast(colours[stroke], colours["paper"]) >= 3.0, stroke
