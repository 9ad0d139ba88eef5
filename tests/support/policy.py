"""A strict policy for what pages may load and run."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

HEADER = "content-security-policy"
POLICY = "default-src 'self'"


def under_policy(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware; Django has one of its own from 6.0 on."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response[HEADER] = POLICY
        return response

    return respond
