"""NiFi processor of `extraction.py`: messages of about 1 KB that are made up, as fast as NiFi takes them."""

import json
import random

from nifiapi.flowfilesource import FlowFileSource, FlowFileSourceResult
from nifiapi.properties import PropertyDescriptor, StandardValidators


class EmitTweets(FlowFileSource):
    class Java:
        implements = ["org.apache.nifi.python.processor.FlowFileSource"]

    class ProcessorDetails:
        version = "1"
        description = "Emits made-up messages, one a line."
        dependencies = []

    LINES = PropertyDescriptor(
        name="Lines",
        description="Messages in a FlowFile.",
        required=True,
        validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
    )

    def __init__(self, **kwargs):
        chance = random.Random(1)
        words = [f"palavra{n}" for n in range(4000)]
        self._texts = [" ".join(chance.choices(words, k=75)) for _ in range(1000)]
        self._next = 1_800_000_000_000_000_000

    def getPropertyDescriptors(self):
        return [self.LINES]

    def create(self, context):
        lines = []
        for n in range(int(context.getProperty(self.LINES).getValue())):
            self._next += 4_194_304
            lines.append(
                json.dumps({"id": str(self._next), "text": self._texts[n % 1000], "collected_for": []})
            )
        return FlowFileSourceResult("success", contents="\n".join(lines).encode())
