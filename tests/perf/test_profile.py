"""Sorting perf's samples into rows; recording itself needs perf and is not tried here."""

from collections import Counter

import pytest

from perf import profile

SCRIPT = """
     7f30d13 __pyx_f_6server_10structures_5table_table_find+0x3b (/x/server/dispatch/fastpath.cpython-311.so)

    ffffffff81 tcp_sendmsg_locked+0x10 ([kernel.kallsyms])
    ffffffff82 __x64_sys_sendto+0x1 ([kernel.kallsyms])
    7f30d14 __send+0x1 (/usr/lib/libc.so.6)
    7f30d15 __pyx_f_9iothreads_10connection_connection_write+0x1 (/x/iothreads/connection.cpython-311.so (deleted))

    7f30d16 _PyEval_EvalFrameDefault+0x9 (/usr/lib/libpython3.11.so.1.0)
"""


def test_samples_are_call_chains():
    chains = list(profile.samples(SCRIPT.splitlines()))
    assert [chain[0][0].rpartition("_")[2] for chain in chains] == ["find", "locked", "EvalFrameDefault"]
    assert chains[1][3][1].endswith("connection.cpython-311.so")
    assert [profile.row_of(chain) for chain in chains] == ["table: find and change", "kernel: send", "Python"]


@pytest.mark.parametrize(
    ("symbol", "file", "row"),
    [
        ("__pyx_f_9iothreads_11resp_reader_parse", "resp_reader.so", "parse"),
        ("__pyx_f_6server_8dispatch_4loop_4Loop_warm_entries", "loop.so", "table: prefetch"),
        ("__pyx_f_6server_8dispatch_4loop_4Loop_run_batch", "loop.so", "dispatch"),
        ("__pyx_f_6server_8dispatch_8fastpath__get", "fastpath.so", "command"),
        ("__pyx_f_9iothreads_11resp_writer_write_bulk", "fastpath.so", "reply"),
        ("__pyx_f_6server_8dispatch_6record_6Record_account", "record.so", "statistics"),
        ("__pyx_f_9iothreads_4lane_lane_handle", "lane.so", "lanes and hand-off"),
        ("__memmove_avx_unaligned", "libc.so.6", "copies and malloc"),
        ("whatever", "libwhatever.so", "the rest"),
        ("asm_sysvec_apic_timer_interrupt", "[kernel.kallsyms]", "kernel: interrupts and the rest"),
    ],
)
def test_rows(symbol, file, row):
    assert profile.row_of([(symbol, file)]) == row


def test_shares_keep_the_order_of_a_request_and_add_up():
    parts = profile.shares(Counter({"Python": 1, "parse": 3, "kernel: send": 4}))
    assert list(parts) == ["kernel: send", "parse", "Python"]
    rows = profile.share_rows(parts, cpu_us=0.8)
    assert rows[1] == ["kernel: send", "50.0 %", "400"]
    assert [row[2] for row in rows[1:]] == ["400", "300", "100", "800"]


def test_native_names_read_as_dotted_ones():
    native = ("__pyx_f_6server_10structures_5table_table_find", "fastpath.so")
    assert profile.short(native) == "server.structures.table.table_find"
    assert profile.short(("tcp_ack", "[kernel.kallsyms]")) == "tcp_ack (kernel)"
    assert profile.short(("memmove", "/usr/lib/libc.so.6")) == "memmove (libc)"
