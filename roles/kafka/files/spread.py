"""Say which partitions are to lie where, as kafka-reassign-partitions takes it: {"moves": .., "all": ..}.

It is asked with {"address": .., "port": .., "brokers": [ids], "replicas": n}. ``moves`` are those that
lie wrong, ``all`` is where each partition is to lie in the end.
"""

import json
import sys


def spread(partitions, brokers, replicas):
    """Return the partitions that have to move, each with its new replicas; the first is to lead.

    Each is to lie on *replicas* of *brokers*, or on all if those are fewer. What lies right already stays
    where it is; of others as many replicas stay as can, the rest come to whoever has fewest.
    """
    wanted = min(replicas, len(brokers))
    kept = {_name(one): [each for each in one["replicas"] if each in brokers] for one in partitions}
    lies = dict.fromkeys(brokers, 0)
    leads = dict.fromkeys(brokers, 0)
    for one in partitions:
        for each in kept[_name(one)]:
            lies[each] += 1
        if _is_right(one, brokers, wanted):
            leads[one["replicas"][0]] += 1
    moves = []
    for one in sorted(partitions, key=_name):
        if _is_right(one, brokers, wanted):
            continue
        chosen = kept[_name(one)][:wanted]
        for each in kept[_name(one)][wanted:]:
            lies[each] -= 1
        while len(chosen) < wanted:
            others = [each for each in brokers if each not in chosen]
            chosen.append(min(others, key=lambda each: (lies[each], each)))
            lies[chosen[-1]] += 1
        # Who leads least leads this one; a stable order for the others.
        chosen.sort(key=lambda each: leads[each])
        leads[chosen[0]] += 1
        moves.append({"topic": one["topic"], "partition": one["partition"], "replicas": chosen})
    return moves


def in_the_end(partitions, moves):
    """Return where each partition is to lie, whether it moves or not."""
    moved = {_name(one): one for one in moves}
    kept = [
        {"topic": one["topic"], "partition": one["partition"], "replicas": one["replicas"]}
        for one in partitions
    ]
    return [moved.get(_name(one), one) for one in kept]


def _name(partition):
    return partition["topic"], partition["partition"]


def _is_right(partition, brokers, wanted):
    return len(partition["replicas"]) == wanted and set(partition["replicas"]) <= set(brokers)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    seen = metadata(asked["address"], asked["port"], "/etc/kafka/tls")  # noqa: F821 - put before this text
    moved = spread(seen["partitions"], asked["brokers"], asked["replicas"])
    lists = {"moves": moved, "all": in_the_end(seen["partitions"], moved)}
    said = {name: {"version": 1, "partitions": listed} for name, listed in lists.items()}
    sys.stdout.write(json.dumps(said) + "\n")
