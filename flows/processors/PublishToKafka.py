"""NiFi processor: each line of a FlowFile as one Kafka message."""

from nifiapi.flowfiletransform import FlowFileTransform
from nifiapi.properties import PropertyDescriptor, StandardValidators

from opslib.x import carry, nifi
from opslib.x.turns.publish import PublishTurns, connect


class PublishToKafka(FlowFileTransform):
    """Carries turns to and from NiFi: what they do is told in opslib.x.turns.publish."""

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

    TOPIC = PropertyDescriptor(
        name="Topic",
        description="Topic to publish to.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    )

    def __init__(self, **kwargs):
        self._turns = None

    def getPropertyDescriptors(self):
        return [nifi.KAFKA_SERVERS, self.TOPIC, nifi.KAFKA_TLS]

    def onScheduled(self, context):
        servers, folder = (carry.value_of(context, it) for it in (nifi.KAFKA_SERVERS, nifi.KAFKA_TLS))
        self._turns = PublishTurns(lambda: connect(servers, folder), carry.value_of(context, self.TOPIC))

    def onStopped(self, context):
        if self._turns is not None:
            self._turns.close()

    def transform(self, context, flowfile):
        return carry.without_state(context, self.logger, flowfile, self._turns.turn)
