"""The stream against a list of bytes for each sink, with sinks that come, read a part, lag and go."""

from hypothesis import given, strategies as st

from server.structures.block_stream import ALL, AOF, REPLICAS, Backlog, Sink, Stream

sizes = st.one_of(st.integers(0, 40), st.sampled_from([8191, 8192, 16383, 16384, 16385, 40_000]))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), sizes, st.sampled_from([ALL, ALL, ALL, AOF, REPLICAS])),
        st.tuples(st.just("attach"), st.sampled_from([ALL, AOF, REPLICAS]), st.just(0)),
        st.tuples(st.just("read"), st.integers(0, 5), st.integers(0, 50_000)),
        st.tuples(st.just("detach"), st.integers(0, 5), st.just(0)),
    ),
    max_size=40,
)


@given(steps)
def test_each_sink_gets_its_bytes(steps: list[tuple[str, int, int]]) -> None:
    stream = Stream()
    sinks: list[tuple[Sink, bytearray]] = []
    byte = 0
    for step, number, more in steps:
        if step == "write":
            byte = (byte + 1) % 251
            data = bytes([byte]) * number
            stream.write(data, more)
            for sink, model in sinks:
                if sink.kind & more:
                    model += data
        elif step == "attach":
            sinks.append((Sink(number), bytearray()))
            stream.attach(sinks[-1][0])
        elif sinks:
            sink, model = sinks[number % len(sinks)]
            if step == "detach":
                stream.detach(sink)
                sinks.remove((sink, model))
            else:
                length = min(more, len(model))
                assert b"".join(sink.views())[:length] == model[:length]
                sink.advance(length)
                del model[:length]
        stream.check()
        for sink, model in sinks:
            assert len(sink) == len(model)
    for sink, model in sinks:
        assert sink.read() == model
    stream.check()


def test_blocks_are_freed_behind_the_slowest() -> None:
    stream = Stream()
    fast, slow = Sink(ALL), Sink(ALL)
    stream.attach(fast)
    stream.attach(slow)
    empty = stream.memory
    for _ in range(100):
        stream.write(b"x" * 10_000)
        assert len(fast.read()) == 10_000
    assert stream.memory > 100 * 10_000
    slow.clear()
    assert stream.memory <= 2 * empty
    stream.check()


def test_the_offset_counts_what_replicas_get() -> None:
    stream = Stream()
    aof = Sink(AOF)
    stream.attach(aof)
    stream.write(b"12345")
    assert stream.offset == 5                       # also while none is there: WAITAOF counts with it
    stream.attach(Sink(REPLICAS))
    stream.write(b"12345")
    stream.write(b"123", AOF)
    assert stream.offset == 10


def test_a_sink_that_stands_nowhere() -> None:
    sink = Sink(ALL)
    sink.clear()
    assert not sink.pending and not len(sink)


def test_a_backlog_is_no_longer_than_it_shall_be_though_one_command_is() -> None:
    stream, backlog, other = Stream(), Backlog(), Sink(REPLICAS)
    backlog.size = 1000
    stream.attach(backlog)
    stream.attach(other)
    stream.write(b"a" * 50)
    stream.write(b"b" * 40_000)
    backlog.trim()
    assert len(backlog) == 40_050          # the other one has not read it: it costs nothing to keep that
    stream.detach(other)
    backlog.trim()
    stream.check()
    assert (len(backlog), backlog.first_offset) == (1000, 39_050)
    stream.write(b"c" * 300)
    backlog.trim()
    stream.check()
    late = Sink(REPLICAS)
    stream.attach_at(late, backlog, backlog.first_offset)
    assert late.read() == b"b" * 700 + b"c" * 300
