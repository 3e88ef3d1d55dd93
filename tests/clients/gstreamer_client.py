"""GStreamer's webrtcbin as a WHIP client. Run by the system's Python, which has GStreamer's bindings.

python3 gstreamer_client.py WAV ENDPOINT TOKEN
"""

from __future__ import annotations

import sys
import urllib.parse
import urllib.request
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402 - their versions must be named before

DEADLINE_S = 40
PIPELINE = (
    "filesrc location={wav} ! wavparse ! identity sync=true ! audioconvert ! audioresample ! opusenc name=encoder ! "
    "rtpopuspay pt=111 ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! "
    "webrtcbin name=peer bundle-policy=max-bundle"
)


class Client:
    """Offers with all candidates, plays the file, ends the session."""

    def __init__(self, wav: str, endpoint: str, token: str) -> None:
        self.loop = GLib.MainLoop()
        self.endpoint, self.token = endpoint, token
        self.session = ""
        self.failure = ""
        self.pipeline = Gst.parse_launch(PIPELINE.format(wav=wav))
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.offer)
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        # No end is told on the bus: webrtcbin waits for more.
        encoded = self.pipeline.get_by_name("encoder").get_static_pad("src")
        encoded.add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, self.passed)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: self.fail(str(message.parse_error())))

    def run(self) -> None:
        GLib.timeout_add_seconds(DEADLINE_S, lambda: self.fail("nothing more happens"))
        self.pipeline.set_state(Gst.State.PLAYING)
        self.loop.run()
        self.pipeline.set_state(Gst.State.NULL)
        if self.session:
            self.ask("DELETE", self.session)
        if self.failure:
            sys.exit(self.failure)

    def passed(self, _pad: Any, info: Any) -> Any:
        if info.get_event().type == Gst.EventType.EOS:
            GLib.idle_add(self.loop.quit)
        return Gst.PadProbeReturn.OK

    def fail(self, why: str) -> None:
        self.failure = why
        self.loop.quit()

    def offer(self, _peer: Any) -> None:
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered, None))

    def offered(self, promise: Any, _: Any) -> None:
        reply = promise.get_reply()  # owns the offer
        self.peer.emit("set-local-description", reply.get_value("offer"), None)

    def gathered(self, _peer: Any, _state: Any) -> None:
        if self.peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.post)

    def post(self) -> None:
        offer = self.peer.get_property("local-description")
        location, answer = self.ask("POST", self.endpoint, offer.sdp.as_text().encode())
        self.session = urllib.parse.urljoin(self.endpoint, location)
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", description, None)

    def ask(self, method: str, url: str, body: bytes | None = None) -> tuple[str, str]:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/sdp"}
        request = urllib.request.Request(url, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.headers.get("Location", ""), answer.read().decode()


if __name__ == "__main__":
    Gst.init(None)
    Client(*sys.argv[1:]).run()
