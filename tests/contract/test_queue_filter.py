"""The two forms of a queue filter agree: on a name, and on rows of every database."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_jobs.models import Job
from django_jobs.queues import QueueFilter
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

NAMES = st.text("abm01_.-", min_size=1, max_size=4)
PATTERNS = st.builds(
    lambda text, star: text + star, st.text("abm01_.-", max_size=3), st.sampled_from(["", "*"])
).filter(bool)
FILTERS = st.builds(
    QueueFilter,
    st.lists(PATTERNS, max_size=3).map(tuple),
    st.lists(PATTERNS, max_size=3).map(tuple),
)


@pytest.fixture
def jobs():
    """A job per name, made when a name is first met."""
    made = {}
    return lambda name: made.get(name) or made.setdefault(name, JobFactory(queue_name=name))


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.lists(NAMES, min_size=1, max_size=8), queues=FILTERS)
def test_a_row_is_found_where_its_name_matches(names, queues, jobs):
    wanted = {jobs(name).pk for name in names if queues.matches(name)}
    among = [jobs(name).pk for name in names]
    found = Job.objects.filter(queues.as_q(), pk__in=among).values_list("pk", flat=True)
    assert set(found) == wanted


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("m_*", "mail"), ("mai_", "mail"), ("m.*", "mail"), ("mail", "mail.bulk"), ("ail*", "mail")],
)
@pytest.mark.parametrize("side", ["include", "exclude"])
def test_only_the_star_is_a_wildcard(pattern, name, side, jobs):
    jobs(name)
    assert_left_out(pattern, name, side)


@pytest.mark.parametrize(("pattern", "name"), [("Mail*", "mail.bulk"), ("Mail", "mail")])
@pytest.mark.parametrize("side", ["include", "exclude"])
def test_case_makes_a_difference(pattern, name, side, jobs):
    jobs(name)
    assert_left_out(pattern, name, side)


def assert_left_out(pattern, name, side):
    """``pattern`` doesn't match ``name``, whether it says what to include or to exclude."""
    queues = QueueFilter(**{side: (pattern,)})
    assert queues.matches(name) == (side == "exclude")
    assert Job.objects.filter(queues.as_q()).exists() == (side == "exclude")
