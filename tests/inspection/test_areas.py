"""Areas of memory with their pages: whatever an image says, each page stands once and in the order of addresses."""

from hypothesis import given
from hypothesis import strategies as st

from planner.events.contents import Area, PageRun
from planner.inspection.areas import PAGE, areas_with_pages

ADDRESSES = st.integers(0, 40).map(lambda page: page * PAGE)
AREAS = st.lists(st.builds(lambda start, end: Area(start=start, end=end, access="rw-p"), ADDRESSES, ADDRESSES), max_size=8)
RUNS = st.lists(st.builds(lambda start, pages: PageRun(start=start, pages=pages), ADDRESSES, st.integers(0, 12)), max_size=8)


@given(AREAS, RUNS)
def test_every_page_stands_once_and_in_an_area_that_has_it(areas: list[Area], runs: list[PageRun]) -> None:
    told = {run.start + page * PAGE for run in runs for page in range(run.pages)}
    shown: list[int] = []
    for area in areas_with_pages(areas, runs):
        for pages in area.pages:
            first = int(pages.start, 16)
            own = [first + page * PAGE for page in range(pages.count)]
            assert all(int(area.start, 16) <= page < int(area.end, 16) for page in own)
            shown += own
    assert sorted(shown) == sorted(told)


@given(AREAS, RUNS)
def test_there_are_no_more_parts_than_areas_and_runs(areas: list[Area], runs: list[PageRun]) -> None:
    found = list(areas_with_pages(areas, runs))
    assert len(found) <= 2 * len(areas) + len(runs)
    assert sum(len(area.pages) for area in found) <= 2 * len(areas) + len(runs)


def test_pages_outside_of_all_areas_are_shown() -> None:
    area, outside = areas_with_pages([Area(start=0, end=PAGE, access="r--p")], [PageRun(start=0, pages=3)])
    assert (area.pages[0].count, outside.kind, outside.start, outside.pages[0].count) == (1, "no area", "1000", 2)
