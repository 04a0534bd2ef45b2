"""A small application that uses Redis for what applications use it for."""

import json
import time
from typing import Any

TAKE = """
local left = tonumber(redis.call('GET', KEYS[1]) or 0)
if left < tonumber(ARGV[1]) then return redis.error_reply('OUTOFSTOCK only ' .. left) end
return redis.call('DECRBY', KEYS[1], ARGV[1])
"""
UNLOCK = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
LIBRARY = """#!lua name=shop
redis.register_function('discount', function(keys, args)
  local price = tonumber(redis.call('HGET', keys[1], 'price'))
  return redis.call('HSET', keys[1], 'price', price - args[1])
end)
"""


class Shop:
    """All of it, over a client of redis-py or valkey-py."""

    def __init__(self, client: Any) -> None:
        self.client = client

    # ---- goods and stock
    def add(self, name: str, price: int, stock: int, tags: set[str]) -> None:
        """A good, all at once."""
        with self.client.pipeline() as pipe:
            pipe.hset(f"good:{name}", mapping={"price": price, "name": name})
            pipe.set(f"stock:{name}", stock)
            for tag in tags:
                pipe.sadd(f"tag:{tag}", name)
            pipe.execute()

    def take(self, name: str, count: int) -> int:
        """What is left. ResponseError, when that is too little."""
        return int(self.client.eval(TAKE, 1, f"stock:{name}", count))

    def move(self, source: str, target: str, count: int) -> bool:
        """From one stock to the other, unless somebody else changed the first: then again."""
        with self.client.pipeline() as pipe:
            pipe.watch(f"stock:{source}")
            left = int(pipe.get(f"stock:{source}"))
            if left < count:
                return False
            pipe.multi()
            pipe.decrby(f"stock:{source}", count)
            pipe.incrby(f"stock:{target}", count)
            pipe.execute()
            return True

    # ---- sessions, limits, locks
    def log_in(self, user: str, seconds: int) -> None:
        """A session that ends by itself."""
        self.client.set(f"session:{user}", json.dumps({"user": user}), ex=seconds)

    def may(self, user: str, limit: int, seconds: int) -> bool:
        """A rate limiter: a sliding window."""
        now = time.time()
        with self.client.pipeline() as pipe:
            pipe.zremrangebyscore(f"calls:{user}", 0, now - seconds)
            pipe.zadd(f"calls:{user}", {repr(now): now})
            pipe.zcard(f"calls:{user}")
            pipe.expire(f"calls:{user}", seconds)
            count = pipe.execute()[2]
        return bool(count <= limit)

    def lock(self, name: str, owner: str) -> bool:
        """Whether it is ours now."""
        return bool(self.client.set(f"lock:{name}", owner, nx=True, px=10000))

    def unlock(self, name: str, owner: str) -> bool:
        """Only the owner can."""
        return bool(self.client.eval(UNLOCK, 1, f"lock:{name}", owner))

    # ---- work
    def order(self, number: int) -> Any:
        """To the stream of orders."""
        return self.client.xadd("orders", {"number": number}, maxlen=1000, approximate=True)
