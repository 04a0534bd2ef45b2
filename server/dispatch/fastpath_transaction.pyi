from server.clients.client import Client
from server.dispatch.executor import Executor
from server.registry.reply_writer import NativeReply

def run_queued(executor: Executor, client: Client) -> NativeReply: ...
