"""How Sphinx builds the documentation: `make docs`."""

import sys
from pathlib import Path

import django
from django.conf import settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# The models are imported for their docstrings; no database is opened.
settings.configure(
    INSTALLED_APPS=["django_jobs"],
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TASKS={"default": {"BACKEND": "django_jobs.backend.DatabaseBackend"}},
)
django.setup()

import django_jobs  # noqa: E402

project = "django_jobs"
author = "django_jobs contributors"
copyright = author  # noqa: A001 (Sphinx's name)
release = version = django_jobs.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = False
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"django_jobs {version}"
html_show_copyright = False
