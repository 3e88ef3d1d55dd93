from __future__ import annotations

from server.bus import Deleted, InProcessBus, Message


def test_listeners_hear_their_transcript_in_order() -> None:
    bus = InProcessBus()
    a: list[Message] = []
    b: list[Message] = []
    bus.listen("a", a.append)
    bus.listen("b", b.append)
    for _ in range(2):
        bus.publish(Deleted("a"))
    bus.publish(Deleted("b"))
    bus.publish(Deleted("nobody"))
    assert a == [Deleted("a")] * 2
    assert b == [Deleted("b")]


def test_a_listener_may_stop_while_it_is_called_and_leaves_nothing() -> None:
    bus = InProcessBus()
    heard: list[str] = []

    def first(_message: Message) -> None:
        heard.append("first")
        stop_first()
        stop_second()

    stop_first = bus.listen("a", first)
    stop_second = bus.listen("a", lambda _message: heard.append("second"))
    bus.publish(Deleted("a"))
    bus.publish(Deleted("a"))
    assert heard == ["first", "second"]  # who listened when it was published hears it
    stop_first()
    assert bus.transcripts == frozenset()


def test_one_broken_listener_hurts_no_other() -> None:
    bus = InProcessBus()
    heard: list[Message] = []

    def broken(_message: Message) -> None:
        raise ValueError("spoken words")

    bus.listen("a", broken)
    bus.listen("a", heard.append)
    bus.publish(Deleted("a"))
    assert heard == [Deleted("a")]
