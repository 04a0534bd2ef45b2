"""For Django: `TEST_RUNNER = "remus_embedded.django_runner.RemusRunner"` in a settings file, and `manage.py test` has a
server of its own, which nobody has to start, empty or look after.

What settings say of Redis is sent there: LOCATION of each cache with a Redis backend, and what REMUS_SETTINGS names,

    REMUS_SETTINGS = ["CELERY_BROKER_URL", "CHANNEL_LAYERS.default.CONFIG.hosts.0"]   # dots go into dicts and lists

each to a database of the server of its own. With `--parallel` every worker has databases of its own; they are empty
when it begins. `RemusMixin` or `cache.clear()` empties them between tests. REMUS_DIRECTIVES are of its redis.conf.
"""

from __future__ import annotations

import copy
import os
from typing import Any

import django.test.runner
from django.conf import settings
from django.test.runner import DiscoverRunner, ParallelTestSuite
from django.test.utils import override_settings

import remus_server

DATABASES = 256
URL = "REMUS_URL"           # in the environment of workers: where it is, without a database


def places() -> list[str]:
    """What settings say of Redis, with dots."""
    backends = {name: about["BACKEND"].lower() for name, about in settings.CACHES.items()}
    caches = [f"CACHES.{name}.LOCATION" for name, backend in backends.items() if "redis" in backend]
    return [*caches, *getattr(settings, "REMUS_SETTINGS", [])]


def changed(url: str, first: int) -> dict[str, Any]:
    """Settings as they are to be: each place has the URL with a database, counted from `first`."""
    made: dict[str, Any] = {}
    for database, place in enumerate(places(), first):
        name, *path = place.split(".")
        if name not in made:
            made[name] = copy.deepcopy(getattr(settings, name, None))
        value = f"{url}/{database % DATABASES}"
        if not path:
            made[name] = value
            continue
        *way, last = path
        holder = made[name]
        for step in way:
            holder = holder[int(step) if isinstance(holder, list) else step]
        holder[int(last) if isinstance(holder, list) else last] = value
    return made


def _init_worker(*args: Any, **options: Any) -> None:
    """Of a process of `--parallel`: it has the databases behind those of the workers before it."""
    ParallelTestSuite.init_worker(*args, **options)
    number = django.test.runner._worker_id
    override_settings(**changed(os.environ[URL], number * len(places()))).enable()


class RemusSuite(ParallelTestSuite):  # type: ignore[misc]
    """Whose workers do not meet on the server."""

    init_worker = _init_worker


class RemusRunner(DiscoverRunner):  # type: ignore[misc]
    """Django's, with a server for the run."""

    parallel_test_suite = RemusSuite

    def setup_test_environment(self, **options: Any) -> None:
        """Start the server, and send settings there."""
        super().setup_test_environment(**options)
        own = {"databases": DATABASES, "enable_debug_command": "local"}
        self.remus = remus_server.start(**{**own, **getattr(settings, "REMUS_DIRECTIVES", {})})
        url = self.remus.url.rpartition("/")[0]
        os.environ[URL] = url
        self._sent = override_settings(**changed(url, 0))
        self._sent.enable()

    def teardown_test_environment(self, **options: Any) -> None:
        """Stop it."""
        self._sent.disable()
        del os.environ[URL]
        self.remus.stop()
        super().teardown_test_environment(**options)
