"""An HTTP/2 client that asks for answers, on the frames of h2wire: streams that
say how they ended. One thread at a time; nothing is read but in step(), so a
caller that does not call it is a client that does not read."""
import json
import struct

from .h2wire import (ACK, CANCEL, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADER_TABLE_SIZE, HEADERS,
                     INITIAL_WINDOW, MAX_FRAME, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block,
                     frame, settings, status_of, u32)
from .wire import Client, Truncated, dial, split_events


class Stream:
    def __init__(self, number, window):
        self.number, self.window = number, window  # window: what may be sent
        self.status, self.body = None, b""
        self.ended = False   # END_STREAM was seen
        self.reset = None    # the code of its RST_STREAM

    @property
    def over(self):
        return self.ended or self.reset is not None

    @property
    def events(self):
        return list(split_events(self.body))

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<h2 {self.status} ended={self.ended} reset={self.reset} {self.body[-200:]!r}>"


class H2(Client):
    """window: what a stream may be sent before it is given more. grant: give
    more as it is read; without it the client's windows close for ever."""

    def __init__(self, port, tls=None, timeout=60.0, window=65535, grant=True, receive_buffer=None):
        self.socket = dial(port, "h2", timeout, tls, receive_buffer)
        self.grant, self.streams, self.goaway = grant, {}, None
        self._buffer, self._next, self._window, self._initial, self._largest = b"", 1, 65535, 65535, 16384
        self.send(PREFACE + settings((HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW, window)))

    def send(self, data):
        self.socket.sendall(data)

    # -- asking --------------------------------------------------------------

    def begin(self, method, path, headers=(), end=False):
        """Opens a stream with its head."""
        stream = Stream(self._next, self._initial)
        self._next += 2
        self.streams[stream.number] = stream
        head = block([
            (":method", method), (":scheme", "http"), (":path", path), (":authority", "gateway"),
            *[(n.lower(), v) for n, v in dict(headers).items()]])
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream.number, head))
        return stream

    def request(self, method, path, body=None, headers=()):
        """Sends a request as its windows allow; returns its Stream."""
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        given = {"content-type": "application/json", **dict(headers)} if body is not None else headers
        stream = self.begin(method, path, given, end=body is None)
        at, end = 0, len(body or b"")
        while at < end and not stream.over:
            room = min(end - at, self._largest, self._window, stream.window)
            if room <= 0:
                self.step()
                continue
            self._window -= room
            stream.window -= room
            last = at + room == end
            self.send(frame(DATA, END_STREAM if last else 0, stream.number, body[at:at + room]))
            at += room
        return stream

    def cancel(self, stream):
        self.send(frame(RST_STREAM, 0, stream.number, u32(CANCEL)))
        stream.reset = CANCEL

    def say_goaway(self):
        self.send(frame(GOAWAY, 0, 0, struct.pack(">II", 0, 0)))

    # -- reading -------------------------------------------------------------

    def _take(self, n):
        while len(self._buffer) < n:
            data = self.socket.recv(262144)
            if not data:
                raise Truncated("the connection ended")
            self._buffer += data
        data, self._buffer = self._buffer[:n], self._buffer[n:]
        return data

    def step(self):
        """Reads one frame and does what it says; returns its kind."""
        head = self._take(9)
        kind, flags, number = struct.unpack(">BBI", head[3:])
        payload = self._take(int.from_bytes(head[:3], "big"))
        stream = self.streams.get(number & 0x7FFFFFFF)
        handler = {DATA: self._on_data, HEADERS: self._on_headers, SETTINGS: self._on_settings,
                   RST_STREAM: self._on_reset, WINDOW_UPDATE: self._on_window, PING: self._on_ping,
                   GOAWAY: self._on_goaway}.get(kind)
        if handler:
            handler(stream, flags, payload)
        return kind

    def wait(self, stream):
        """Until the stream is over, whichever way."""
        while not stream.over:
            self.step()
        return stream

    def read_events(self, stream, n):
        """Until n events are there or the stream is over."""
        while not stream.over and stream.body.count(b"\n\n") < n:
            self.step()
        return stream.events

    def _on_data(self, stream, flags, payload):
        if self.grant and payload:
            self.send(frame(WINDOW_UPDATE, 0, 0, u32(len(payload))))
        if not stream:
            return
        if self.grant and payload and not flags & END_STREAM and not stream.over:
            self.send(frame(WINDOW_UPDATE, 0, stream.number, u32(len(payload))))
        stream.body += payload
        stream.ended |= bool(flags & END_STREAM)

    def _on_headers(self, stream, flags, payload):
        if stream and stream.status is None:
            stream.status = status_of(payload)
        if stream:
            stream.ended |= bool(flags & END_STREAM)

    def _on_settings(self, _stream, flags, payload):
        if flags & ACK:
            return
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at:at + 6])
            if name == INITIAL_WINDOW:
                for s in self.streams.values():
                    s.window += value - self._initial
                self._initial = value
            elif name == MAX_FRAME:
                self._largest = value
        self.send(frame(SETTINGS, ACK, 0))

    def _on_reset(self, stream, _flags, payload):
        if stream:
            stream.reset = struct.unpack(">I", payload)[0]

    def _on_window(self, stream, _flags, payload):
        more = struct.unpack(">I", payload)[0]
        if stream:
            stream.window += more
        else:
            self._window += more

    def _on_ping(self, _stream, flags, payload):
        if not flags & ACK:
            self.send(frame(PING, ACK, 0, payload))

    def _on_goaway(self, _stream, _flags, payload):
        self.goaway = struct.unpack(">I", payload[4:8])[0]
