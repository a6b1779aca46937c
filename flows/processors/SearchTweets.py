"""NiFi processor: recent tweets about each topic of the snapshots that come in."""

import json
from datetime import datetime, timezone

from nifiapi.componentstate import Scope
from nifiapi.flowfiletransform import FlowFileTransform, FlowFileTransformResult
from nifiapi.properties import PropertyDescriptor, StandardValidators

from opslib.message import encode
from opslib.x.client import RateLimited, XClient, XError
from opslib.x.collect import Progress, messages_of, query_for, search_page


class SearchTweets(FlowFileTransform):
    """Thin adapter: how a search goes on is in opslib.x.collect.

    NiFi writes state at once, but commits a FlowFile only after this method has returned. So the progress
    of a turn is kept in memory until the next one, when the FlowFile of the last is safe, and written then:
    a kill in between repeats that turn's searches and loses nothing.
    """

    class Java:
        implements = ["org.apache.nifi.python.processor.FlowFileTransform"]

    class ProcessorDetails:
        version = "1"
        description = (
            "Searches X's recent tweets for every topic of the snapshots of CollectTrends and emits them as "
            "messages, one a line. How far each topic has been searched is kept as state; only newer tweets "
            "are asked for. X charges for each tweet returned."
        )
        tags = ["x", "twitter", "search", "trendlake"]
        dependencies = []

    BASE_URL = PropertyDescriptor(
        name="X API URL",
        description="Where the X API answers: https://api.x.com, or the address of `opslib x simulate`.",
        required=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    )
    TOKEN = PropertyDescriptor(
        name="Bearer Token",
        description="Bearer token of the X API.",
        required=True,
        sensitive=True,
        validators=[StandardValidators.NON_EMPTY_VALIDATOR],
    )
    PAGES = PropertyDescriptor(
        name="Pages per Topic",
        description="How many pages of a topic are fetched a turn; what is left over is fetched at the next.",
        required=True,
        default_value="2",
        validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
    )
    RESULTS = PropertyDescriptor(
        name="Tweets per Page",
        description="How many tweets a page holds, 10 to 100. Each one returned is charged.",
        required=True,
        default_value="100",
        validators=[StandardValidators.POSITIVE_INTEGER_VALIDATOR],
    )

    def __init__(self, **kwargs):
        self._pending = {}
        self._pending_of = None

    def getPropertyDescriptors(self):
        return [self.BASE_URL, self.TOKEN, self.PAGES, self.RESULTS]

    def transform(self, context, flowfile):
        value = lambda prop: context.getProperty(prop).getValue()  # noqa: E731
        state = self._settled_state(context, flowfile.getAttribute("uuid"))
        snapshots = [json.loads(line) for line in bytes(flowfile.getContentsAsBytes()).split(b"\n") if line]
        client = XClient(value(self.BASE_URL), value(self.TOKEN))
        lines = []
        try:
            for snapshot in snapshots:
                for trend in snapshot["trends"]:
                    self._search(client, snapshot["woeid"], trend["name"], state, value, lines)
        except RateLimited as limited:
            self.logger.warn(
                f"X's limit of searches is reached until {limited.reset_at}: the rest waits for the next turn"
            )
        except XError as error:
            self.logger.error(f"X ended the searches: {error}")
        finally:
            client.close()
        return FlowFileTransformResult(
            "success",
            contents=b"\n".join(lines),
            attributes={"mime.type": "application/x-ndjson", "tweets.count": str(len(lines))},
        )

    def _settled_state(self, context, uuid):
        """Return what is known of each topic, after writing the progress of the turn before this one."""
        manager = context.getStateManager()
        state = dict(manager.getState(Scope.LOCAL).toMap())
        # The same FlowFile again: NiFi took the last turn back, and what it found is not kept anywhere.
        if self._pending and self._pending_of != uuid:
            state.update(self._pending)
            manager.setState(state, Scope.LOCAL)
        self._pending, self._pending_of = {}, uuid
        return state

    def _search(self, client, woeid, topic, state, value, lines):
        """Add a topic's tweets to *lines*, page by page: an error must not take earlier pages along."""
        key = f"{woeid}/{topic}"
        try:
            query = query_for(topic)
        except ValueError as nothing:
            self.logger.warn(str(nothing))
            return
        progress = Progress.from_state(json.loads(self._pending.get(key) or state.get(key) or "{}"))
        for _ in range(int(value(self.PAGES))):
            page, progress = search_page(client, query, progress, int(value(self.RESULTS)))
            lines += [encode(m) for m in messages_of(page, topic, woeid, query, datetime.now(timezone.utc))]
            self._pending[key] = json.dumps(progress.to_state())
            if not progress.next_token:
                return
