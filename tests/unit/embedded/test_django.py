"""The runner for Django, with a small project of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = """
SECRET_KEY = "x"
USE_TZ = True
DATABASES = {}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://production:6379"},
    "other": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": ["redis://production:6379/1"]},
    "here": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
BROKER = {"hosts": ["redis://production:6379/7"]}
TEST_RUNNER = "remus_embedded.django_runner.RemusRunner"
REMUS_SETTINGS = ["BROKER.hosts.0"]
"""
TESTS = """
import redis
from django.conf import settings
from django.core.cache import cache, caches
from django.test import SimpleTestCase


class Caches(SimpleTestCase):
    def test_each_has_a_database(self):
        self.assertIs(cache.add("k", 1, 60), True)
        self.assertIsNone(caches["other"].get("k"))
        self.assertIsNone(redis.Redis.from_url(settings.BROKER["hosts"][0]).get(":1:k"))
        self.assertEqual(cache.incr("k"), 2)


class Same(SimpleTestCase):
    def test_nobody_else_has_made_it(self):
        self.assertIs(caches["other"].add("in_other", 1, 60), True)


class Again(SimpleTestCase):
    def test_the_broker_is_there(self):
        client = redis.Redis.from_url(settings.BROKER["hosts"][0])
        self.assertEqual(client.lpush("jobs", "one"), 1)
        self.assertEqual(client.dbsize(), 1)
"""


@pytest.mark.parametrize("options", [(), ("--parallel", "2")])
def test_a_project_has_a_server_for_its_tests(tmp_path, options):
    pytest.importorskip("django")
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "test_theirs.py").write_text(TESTS)
    command = [sys.executable, "-m", "django", "test", "--settings", "settings", *options]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert "Ran 3 tests" in done.stderr and "\nOK" in done.stderr, done.stdout + done.stderr
