"""WebRTC peers. The only package that knows private names of aiortc and aioice; their tests fail when these move."""
