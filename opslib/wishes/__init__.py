"""What the page wishes about what is followed, and the service of its host that carries it out.

The page holds neither a certificate of Kafka nor X's token. It writes a wish to a Unix socket, one JSON
object in a line, and reads the answer, another one. :mod:`opslib.wishes.ask` is the page's side of it,
:mod:`opslib.wishes.desk` what decides, :mod:`opslib.wishes.serve` the service.
"""
