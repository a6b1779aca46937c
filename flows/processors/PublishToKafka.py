"""NiFi processor: each line of a FlowFile as one Kafka message."""

import json

from kafka import KafkaProducer
from nifiapi.flowfiletransform import FlowFileTransform, FlowFileTransformResult
from nifiapi.properties import PropertyDescriptor, StandardValidators

from opslib.message import key_of


class PublishToKafka(FlowFileTransform):
    """Publishes and waits: a FlowFile leaves only when every message of it is in all in-sync replicas."""

    class Java:
        implements = ["org.apache.nifi.python.processor.FlowFileTransform"]

    class ProcessorDetails:
        version = "1"
        description = (
            "Publishes each line of a FlowFile as one message, keyed by tweet id or WOEID, over mutual TLS "
            "with acks=all, idempotence and zstd. Success means that the brokers have confirmed every one; "
            "on failure the FlowFile is to be tried again, which repeats messages and loses none."
        )
        tags = ["kafka", "publish", "trendlake"]
        dependencies = []

    SERVERS = PropertyDescriptor(
        name="Bootstrap Servers",
        description="Brokers as host:port, separated by commas.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    )
    TOPIC = PropertyDescriptor(
        name="Topic",
        description="Topic to publish to.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    )
    TLS_DIRECTORY = PropertyDescriptor(
        name="TLS Directory",
        description="Folder with cert.pem, key.pem and ca.pem. Empty: a connection without TLS.",
        required=False,
    )

    def __init__(self, **kwargs):
        self._producer = None

    def getPropertyDescriptors(self):
        return [self.SERVERS, self.TOPIC, self.TLS_DIRECTORY]

    def onStopped(self, context):
        self._close()

    def transform(self, context, flowfile):
        topic = context.getProperty(self.TOPIC).getValue()
        lines = [line for line in bytes(flowfile.getContentsAsBytes()).split(b"\n") if line]
        try:
            producer = self._connected(context)
            headers = self._headers(flowfile)
            sent = [
                producer.send(topic, line, key=key_of(json.loads(line)), headers=headers) for line in lines
            ]
            producer.flush(60)
            for future in sent:
                future.get(timeout=10)
        except Exception as error:
            self._close()
            self.logger.error(f"{len(lines)} messages for {topic} are not confirmed: {error!r}")
            return FlowFileTransformResult("failure")
        return FlowFileTransformResult(
            "success", attributes={"kafka.topic": topic, "kafka.count": str(len(lines))}
        )

    def _headers(self, flowfile):
        """Return what the statistics are told: the budget as it was when these were collected."""
        told = flowfile.getAttributes()
        return [(name, value.encode()) for name, value in told.items() if name.startswith("x.budget.")]

    def _connected(self, context):
        if self._producer is None:
            value = lambda prop: context.getProperty(prop).getValue()  # noqa: E731
            folder = value(self.TLS_DIRECTORY)
            tls = {"security_protocol": "SSL", "ssl_cafile": f"{folder}/ca.pem"} if folder else {}
            if folder:
                tls |= {"ssl_certfile": f"{folder}/cert.pem", "ssl_keyfile": f"{folder}/key.pem"}
            self._producer = KafkaProducer(
                bootstrap_servers=value(self.SERVERS).split(","),
                acks="all",
                enable_idempotence=True,
                # Brokers that are away are tried again soon; a processor that waits cannot be stopped.
                bootstrap_timeout_ms=5_000,
                compression_type="zstd",
                linger_ms=20,
                batch_size=262144,
                max_request_size=2097152,
                **tls,
            )
        return self._producer

    def _close(self):
        if self._producer is not None:
            self._producer.close(timeout=5)
            self._producer = None
