"""A file of 1 MB, once by link and once as base64: the same answer, and what each costs the caller's context."""

# pyright: basic

import base64

from fake_servers import attachments, files
from fake_servers.files import Generated

LOG = Generated(1_000_000)


def test_a_link_costs_a_few_hundred_bytes_and_base64_more_than_a_megabyte(switchboard):
    data = base64.b64encode(LOG.read(0, LOG.size)).decode()

    with switchboard(attachments=attachments(), files=files({"big.log": LOG})) as board:
        linked = board.call("attachments__word_count", uri="files+file:///big.log")
        inline = board.call("attachments__word_count_inline", data=data, name="big.log")

    assert linked.structured_content == inline.structured_content
    assert board.routes == "host > (attachments > files x4, attachments)"

    by_link, as_base64 = board.context.of("host")
    assert (by_link.bytes, by_link.tokens) == (270, 68)
    assert (as_base64.bytes, as_base64.tokens) == (1_333_503, 333_376)


def test_a_program_over_the_file(switchboard):
    program = """
longest = 0
with open('/files/big.log') as file:
    for line in file:
        longest = max(longest, len(line.split()))
longest
"""
    with switchboard(attachments=attachments(), files=files({"big.log": LOG})) as board:
        result = board.call("attachments__analyse", uri="files+file:///big.log", program=program)

    assert not result.is_error
    assert board.context.of("host").bytes < 500
