"""The parameters of calls, checked as X checks them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opslib.message import moment_of, moment_of_id
from opslib.simulate.problems import InvalidRequest
from opslib.simulate.tweets import SEARCHABLE, snowflake

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def names(text: str) -> frozenset[str]:
    """Return the words of *text*."""
    return frozenset(text.split())


# What X takes there by either contract, in the older one's names, whether or not our tweets have it.
LISTS: dict[str, frozenset[str]] = {
    "tweet.fields": names(
        """
        article article_title attachments author_id card_uri community_id context_annotations conversation_id
        created_at display_text_range edit_controls edit_history_tweet_ids entities geo id in_reply_to_user_id
        lang matched_media_notes media_metadata non_public_metrics note_request_suggestions note_tweet
        organic_metrics paid_partnership possibly_sensitive promoted_metrics public_metrics referenced_tweets
        reply_settings scopes source suggested_source_links suggested_source_links_with_counts text withheld
        """
    ),
    "user.fields": names(
        """
        affiliation confirmed_email connection_status created_at description entities id
        is_identity_verified location most_recent_tweet_id name parody pinned_tweet_id profile_banner_url
        profile_image_url protected public_metrics receives_your_dm subscribes_to_you subscription
        subscription_type url username verified verified_followers_count verified_type withheld
        """
    ),
    "expansions": names(
        """
        article.cover_media article.media_entities attachments.media_keys attachments.media_source_tweet
        attachments.poll_ids author_id edit_history_tweet_ids entities.mentions.username geo.place_id
        in_reply_to_user_id entities.note.mentions.username referenced_tweets.id
        referenced_tweets.id.attachments.media_keys referenced_tweets.id.author_id username
        """
    ),
    "media.fields": names(
        """
        alt_text duration_ms height media_key non_public_metrics organic_metrics preview_image_url
        promoted_metrics public_metrics type url variants width
        """
    ),
    "poll.fields": names("duration_minutes end_datetime id options voting_status"),
    "place.fields": names("contained_within country country_code full_name geo id name place_type"),
    "trend.fields": names("trend_name tweet_count"),
    "compliance_job.fields": names(
        """
        created_at download_expires_at download_url id name resumable status type upload_expires_at upload_url
        """
    ),
    "connection.fields": names("client_ip connected_at disconnect_reason disconnected_at endpoint_name id"),
    "endpoints": names(
        """
        filtered_stream sample_stream sample10_stream firehose_stream tweets_compliance_stream
        users_compliance_stream tweet_label_stream firehose_stream_lang_en firehose_stream_lang_ja
        firehose_stream_lang_ko firehose_stream_lang_pt likes_firehose_stream likes_sample10_stream
        likes_compliance_stream
        """
    ),
    "search_count.fields": names("end post_count start tweet_count"),
    "usage.fields": names(
        "cap_reset_day daily_client_app_usage daily_project_usage project_cap project_id project_usage"
    ),
}
# The parameters that say what an answer holds of tweets.
OF_TWEETS = names("tweet.fields expansions media.fields poll.fields user.fields place.fields")
OF_TIME = names("start_time end_time since_id until_id next_token pagination_token")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def check(parameters: Mapping[str, str], known: frozenset[str]) -> None:
    """Refuse parameters that are not *known*, and lists with unknown items."""
    check_names(parameters, known)
    for name in known & set(LISTS):
        items(parameters, name)


def check_names(parameters: Mapping[str, str], known: frozenset[str]) -> None:
    """Refuse parameters that are not *known*."""
    for name in parameters:
        if name not in known:
            listed = ",".join(sorted(known))
            raise InvalidRequest(
                f"The query parameter [{name}] is not one of [{listed}]",
                name,
                parameters[name],
            )


def items(parameters: Mapping[str, str], name: str) -> frozenset[str]:
    """Return the items of a list that is one of :data:`LISTS`; none if it is not given."""
    text = parameters.get(name)
    if text is None:
        return frozenset()
    return check_items(name, text, LISTS[name])


def check_items(
    name: str, text: str, allowed: frozenset[str], also: frozenset[str] = frozenset()
) -> frozenset[str]:
    """Return the items of a list, each of which is *allowed*, or *also* taken without being told."""
    given = text.split(",")
    for item in given:
        if item not in allowed | also:
            listed = ",".join(sorted(allowed))
            raise InvalidRequest(
                f"The `{name}` query parameter value [{item}] is not one of [{listed}]", name, text
            )
    if len(set(given)) < len(given):
        raise InvalidRequest(f"The `{name}` query parameter value [{text}] names one twice", name, text)
    return frozenset(given)


def number(parameters: Mapping[str, str], name: str, least: int, most: int, default: int) -> int:
    """Return a whole number of a range."""
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
        raise InvalidRequest(
            f"The `{name}` query parameter value [{text}] is not between {least} and {most}", name, text
        )
    return int(text)


def choice(parameters: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """Return one of *choices*, of which the first is the default."""
    text = parameters.get(name, choices[0])
    if text not in choices:
        raise InvalidRequest(
            f"The `{name}` query parameter value [{text}] is not one of [{','.join(choices)}]", name, text
        )
    return text


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """Return a switch, which is off if it is not given."""
    return choice(parameters, name, ("false", "true")) == "true"


def identity(name: str, text: str) -> str:
    """Return an id, checked."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise InvalidRequest(f"The `{name}` query parameter value [{text}] is not a valid id", name, text)
    return text


def identities(parameters: Mapping[str, str], name: str, most: int) -> list[str]:
    """Return the ids of a list, each once, in their order."""
    text = parameters.get(name, "")
    given = [identity(name, item) for item in text.split(",")]
    if len(given) > most:
        raise InvalidRequest(f"The `{name}` query parameter holds more than {most} ids", name, text)
    return list(dict.fromkeys(given))


@dataclass(frozen=True)
class Range:
    """Ids that a search is about: above *low* and below *high*."""

    low: int
    high: int


def time_range(parameters: Mapping[str, str], query: str, now: datetime) -> Range:
    """Return what the parameters of :data:`OF_TIME` ask for."""
    low, high = [0], [2**63]
    for name, bounds in (("since_id", low), ("until_id", high)):
        if name in parameters:
            bounds.append(_id(parameters[name], name, now))
    for name, bounds in (("start_time", low), ("end_time", high)):
        if name in parameters:
            # start_time is inclusive, end_time is not.
            bounds.append(snowflake(moment(parameters[name], name, now)) - (name == "start_time"))
    tokens = [name for name in ("next_token", "pagination_token") if name in parameters]
    high.extend(place_of(parameters[name], query, name) for name in tokens)
    return Range(max(low), min(high))


def _id(text: str, name: str, now: datetime) -> int:
    found = int(identity(name, text))
    written = moment_of_id(found)
    oldest = now - SEARCHABLE
    if name == "since_id" and (written is None or written < oldest):
        raise InvalidRequest(
            f"'since_id' must be a tweet id created after {oldest:%Y-%m-%dT%H:%MZ}. "
            "Please use a 'since_id' that is larger than "
            f"{snowflake(oldest)}",
            name,
            text,
        )
    return found


def moment(text: str, name: str, now: datetime) -> datetime:
    """Return the moment of the last 7 days that *text* names."""
    try:
        found = moment_of(text)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"The `{name}` query parameter value [{text}] {error}", name, text) from error
    if not now - SEARCHABLE <= found <= now:
        raise InvalidRequest(
            f"Invalid '{name}':'{text}'. '{name}' must be within the last 7 days", name, text
        )
    return found


def token_of(place: int, query: str) -> str:
    """Return the token of the page behind the tweet *place*: good for the same query alone, as X's are."""
    left = place << 32 | zlib.crc32(query.encode())
    digits = ""
    while left:
        left, digit = divmod(left, 36)
        digits = _DIGITS[digit] + digits
    return digits


def place_of(token: str, query: str, name: str) -> int:
    """Return the place in a token that :func:`token_of` made for that query."""
    if token and len(token) < 40 and set(token) <= set(_DIGITS):
        place, checksum = divmod(int(token, 36), 1 << 32)
        if checksum == zlib.crc32(query.encode()):
            return place
    raise InvalidRequest(f"The `{name}` query parameter value [{token}] is not valid", name, token)
