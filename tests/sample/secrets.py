"""Tasks with sensitive arguments, which they give away as best they can."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django_jobs import Cancel, GiveUp, JobContext, Retry, Snooze, job


def give_away(how: str, token: Any) -> None:
    match how:
        case "text":
            raise ValueError(f"401 for {token}, told to {token}")
        case "repr":
            raise ValueError(f"no such token {token!r} in {[token]!r}")
        case "json":
            raise ValueError(json.dumps({"token": token}))
        case "url":
            raise ValueError("GET https://api.example.com/?" + urlencode({"token": token}))
        case "key":
            raise KeyError(token)
        case "cut":
            raise ValueError(f"{str(token)[: len(str(token)) // 2]}…")
        case "note":
            error = ValueError("see below")
            error.add_note(f"the token was {token}")
            raise error
        case "cause":
            try:
                give_away("text", token)
            except ValueError as error:
                raise RuntimeError("elsewhere") from error
        case "group":
            raise ExceptionGroup("several", [ValueError(str(token)), KeyError(token)])
        case "retry" | "give up" | "cancel" | "snooze":
            kinds = {"retry": Retry, "give up": GiveUp, "cancel": Cancel, "snooze": Snooze}
            later = {"after": 60} if how in ("retry", "snooze") else {}
            raise kinds[how](f"because of {token}", **later)


@job(sensitive=("token",), aliases=("tests.sample.secrets.former",))
def call_api(how: str, token: Any, times: int = 1) -> str:
    give_away(how, token)
    return f"done with {token}"


@job(sensitive=("token",))
async def call_api_async(how: str, token: Any) -> str:
    give_away(how, token)
    return f"done with {token}"


@job(sensitive=("token",), takes_context=True)
def call_with_context(context: JobContext, how: str, token: Any) -> str:
    context.progress(1, 2, f"sends {token}")
    context.step("login", lambda: f"session of {token}")
    give_away(how, token)
    return f"done with {token}"


@job(sensitive=("password", "rest"))
def take_anything(first: str, *rest: str, **others: str) -> None:
    pass


@job(max_attempts=1, sensitive=("credentials",))
def take_apart(credentials: dict[str, Any]) -> None:
    password = credentials.pop("password")
    raise ValueError(f"refused: {password}")
