"""The log of an attempt: what is kept of it, and that it stands in nobody's way."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from django_jobs import JobContext, capture
from django_jobs.capture import MOST_CHARACTERS, MOST_ENTRIES, Log, capturing, new_log
from django_jobs.context import enter, running

logger = logging.getLogger("tests.shop")


def record(text: str, level: int = logging.WARNING, name: str = "shop") -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, text, (), None)


def kept(*texts: str) -> Log:
    log = Log(logging.INFO)
    for text in texts:
        log.keep(record(text))
    return log


@pytest.fixture
def log() -> Iterator[Log]:
    """The log of a job that runs here."""
    made = Log(logging.INFO)
    before = running()
    enter(JobContext(log=made))
    with capturing("INFO"):
        yield made
    enter(before)  # type: ignore[arg-type]


def test_an_entry_has_its_time_level_and_logger() -> None:
    text = kept("no paper").text
    assert text.endswith(" WARNING shop: no paper")
    assert len(text.partition(" WARNING")[0]) == len("2026-01-01 00:00:00,000")


def test_none_is_false_and_empty() -> None:
    assert not kept()
    assert kept().text == ""
    assert kept("x")


def test_of_many_entries_the_first_and_the_last_are_kept() -> None:
    log = kept(*(f"entry {n}." for n in range(1000)))
    lines = log.text.splitlines()
    assert len(lines) == MOST_ENTRIES + 1
    half = MOST_ENTRIES // 2
    assert lines[half - 1].endswith(f"entry {half - 1}.")
    assert lines[half] == f"… {1000 - MOST_ENTRIES} entries left out …"
    assert lines[half + 1].endswith(f"entry {1000 - half}.")
    assert lines[-1].endswith("entry 999.")


@pytest.mark.parametrize("length", [100, 3_000, 1_000_000])
def test_of_long_entries_too(length: int) -> None:
    log = kept("first", *("x" * length for _ in range(500)), "last")
    assert MOST_CHARACTERS / 3 < len(log.text) <= MOST_CHARACTERS + MOST_ENTRIES + 100
    assert "WARNING shop: first\n" in log.text
    assert log.text.endswith("WARNING shop: last")


@pytest.mark.parametrize("count", [1, MOST_ENTRIES])
def test_what_fits_is_whole_and_in_order(count: int) -> None:
    log = kept(*(f"entry {n}." for n in range(count)))
    assert [line.rpartition(" ")[2] for line in log.text.splitlines()] == [
        f"{n}." for n in range(count)
    ]


def test_what_is_hidden_is_hidden_before_it_is_cut() -> None:
    log = Log(logging.INFO, lambda: lambda text: text.replace("secret", "***"))
    log.keep(record("x" * (capture.ENTRY_LENGTH // 2 - 60) + "secret" * 30 + "x" * 5_000))
    assert "secret" not in log.text
    assert "sec" not in log.text


def test_a_record_from_within_is_kept_and_others_are_not(log: Log) -> None:
    logger.warning("within")
    logging.getLogger("django_jobs").warning("ours")
    logging.getLogger("django_jobs.worker").warning("ours too")
    logging.getLogger("django_jobs_of_the_shop").warning("not ours")
    logger.handle(record("too low", logging.DEBUG, logger.name))
    before = running()
    enter(None)  # type: ignore[arg-type]
    logger.warning("outside")
    enter(before)  # type: ignore[arg-type]
    texts = [line.partition(": ")[2] for line in log.text.splitlines()]
    assert texts == ["within", "not ours"]


def test_it_is_on_the_root_logger_once_and_only_within() -> None:
    before = list(logging.root.handlers)
    with capturing("INFO"), capturing("INFO"):
        assert len(logging.root.handlers) == len(before) + 1
    assert logging.root.handlers == before
    with capturing(None):
        assert logging.root.handlers == before
    assert new_log(None, None) is None


def test_what_logs_while_it_is_formatted_does_not_hang(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Chatty:
        def __str__(self) -> str:
            logger.warning("inner")
            return "outer"

    with monkeypatch.context() as patch:
        patch.setattr(logging.root, "handlers", [capture._HANDLER])
        patch.setattr(logging, "lastResort", None)
        logger.warning("%s", Chatty())
    texts = [line.partition(": ")[2] for line in log.text.splitlines()]
    assert texts == ["inner", "outer"]


def test_python_still_prints_what_nobody_handles(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed() -> str:
        logger.warning("nobody's")
        logger.info("too low")
        return capsys.readouterr().err

    with monkeypatch.context() as patch:
        # A project that has not said where its log goes.
        patch.setattr(logging.root, "handlers", [])
        assert printed() == "nobody's\n"
        with capturing("ERROR"):
            assert printed() == "nobody's\n"
        patch.setattr(logger, "handlers", [logging.NullHandler()])
        with capturing("INFO"):
            assert printed() == "", "somebody's"
