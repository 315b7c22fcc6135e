"""What a long run of tests came to is kept, a row a file."""

from __future__ import annotations

from xml.etree import ElementTree

import bench_soak


def test_a_row_says_what_the_tests_of_a_file_came_to():
    suite = ElementTree.fromstring(
        '<testsuite tests="3" failures="1" errors="0" skipped="1" time="90.0">'
        '<testcase><properties><property name="kills" value="100"/></properties></testcase>'
        '<testcase><properties><property name="samples" value="7"/>'
        '<property name="hypothesis-statistics-x" value="bG9uZw=="/></properties></testcase></testsuite>'
    )
    row = bench_soak.row_of("tests/test_x.py", suite)
    assert (row["file"], row["tests"], row["failed"], row["skipped"]) == ("tests/test_x.py", 3, 1, 1)
    assert (row["minutes"], row["saw"]) == (1.5, "kills 100; samples 7")
