"""Kafka's view of itself by one request, Metadata of version 1, over mutual TLS.

The protocol: https://kafka.apache.org/protocol#The_Messages_Metadata. Each who asks has this in its text:
hosts of brokers have no client of Kafka but Java's, which takes seconds to start.
"""

import socket
import ssl
import struct


class Answer:
    """What is read from the bytes of an answer, field by field."""

    def __init__(self, data):
        self._data, self._at = data, 0

    def number(self, kind):
        """Return the next number, of a kind as :mod:`struct` names it."""
        size = struct.calcsize(">" + kind)
        (found,) = struct.unpack_from(">" + kind, self._data, self._at)
        self._at += size
        return found

    def text(self):
        """Return the next text, ``None`` for null."""
        size = self.number("h")
        if size < 0:
            return None
        self._at += size
        return self._data[self._at - size : self._at].decode()

    def many(self, one):
        """Return the next array, of what *one* reads."""
        return [one() for _ in range(self.number("i"))]


def parsed(data):
    """Return brokers ``{id: host:port}``, the controller's id, and partitions.

    A partition is ``{topic, partition, leader, replicas, isr}``; a leader of -1 is none.
    """
    answer = Answer(data)
    answer.number("i")  # the correlation id
    brokers = {}
    for _ in range(answer.number("i")):
        name, host, port = answer.number("i"), answer.text(), answer.number("i")
        brokers[name] = f"{host}:{port}"
        answer.text()  # the rack
    controller, partitions = answer.number("i"), []
    for _ in range(answer.number("i")):
        answer.number("h")
        topic, _ = answer.text(), answer.number("b")
        for _ in range(answer.number("i")):
            answer.number("h")
            partitions.append(
                {
                    "topic": topic,
                    "partition": answer.number("i"),
                    "leader": answer.number("i"),
                    "replicas": answer.many(lambda: answer.number("i")),
                    "isr": answer.many(lambda: answer.number("i")),
                }
            )
    return {"brokers": brokers, "controller": controller, "partitions": partitions}


def metadata(address, port, folder):
    """Ask the broker at *address* with the certificate in *folder*; ``OSError`` if it does not answer."""
    tls = ssl.create_default_context(cafile=folder + "/ca.pem")
    tls.load_cert_chain(folder + "/cert.pem", folder + "/key.pem")
    # Metadata is 3; correlation id 1, no client id, all topics.
    request = struct.pack(">hhihi", 3, 1, 1, -1, -1)
    plain = socket.create_connection((address, port), timeout=10)
    with plain, tls.wrap_socket(plain, server_hostname=address) as secure:
        secure.sendall(struct.pack(">i", len(request)) + request)
        file = secure.makefile("rb")
        head = file.read(4)
        data = file.read(struct.unpack(">i", head)[0]) if len(head) == 4 else b""
    if not data:
        raise ConnectionError(f"{address}:{port} closed the connection without an answer")
    return parsed(data)
