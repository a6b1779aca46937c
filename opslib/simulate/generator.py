"""Made-up tweets: whatever the seed and the time, always the same ones.

Tweet *n* is written *n* / rate seconds after a fixed moment, and everything about it follows from the seed
and from *n*. So a server that was restarted goes on as if it had never stopped, and nothing has to be kept.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from opslib.simulate.tweets import Tweet, completed, made_up_author, snowflake, tweet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
_RETWEETS = 0.22
_MENTIONS = 0.15
_LINKS = 0.08
_PEOPLE = 4000
_CUT = 140


@dataclass(frozen=True)
class _Talk:
    """What is talked about in a language, and how."""

    topics: dict[str, tuple[str, ...]]
    phrases: tuple[str, ...]
    small: tuple[str, ...]


def _these(words: str) -> tuple[str, ...]:
    return tuple(words.split(", "))


_TALK = {
    "pt": _Talk(
        topics={
            "#Brasileirão": _these("golaço, zagueiro, árbitro, torcida, pênalti, técnico, clássico, empate"),
            "#NovelaDasNove": _these("vilã, casal, capítulo, beijo, mistério, atriz, final, reviravolta"),
            "#CaféDaManhã": _these("pão de queijo, cafezinho, tapioca, bolo, padaria, manteiga, cuscuz"),
            "#ChuvaEmSP": _these("alagamento, trânsito, metrô, guarda-chuva, temporal, previsão, marginal"),
            "#Carnaval": _these("bloco, samba, fantasia, bateria, desfile, trio elétrico, glitter, folia"),
            "#FestaJunina": _these("quadrilha, canjica, fogueira, paçoca, bandeirinha, forró, milho"),
            "#Enem": _these("redação, prova, gabarito, matemática, vestibular, caneta preta, atraso"),
            "#CozinhaDoChef": _these("prova, jurados, sobremesa, eliminação, receita, tempero, cozinheira"),
            "#RockNoParque": _these("show, palco, guitarra, ingresso, banda, plateia, vocalista, bis"),
            "#SextouNoTrabalho": _these("reunião, chefe, happy hour, salário, home office, planilha, folga"),
            "#FimDeSemanaNaPraia": _these("sol, mar, protetor solar, quiosque, onda, caipirinha, areia"),
            "#CiênciaBR": _these(
                "pesquisa, vacina, universidade, bolsa, laboratório, descoberta, cientistas"
            ),
            "#MúsicaNova": _these("álbum, refrão, clipe, letra, cantora, parceria, playlist, voz"),
            "#SérieDoMomento": _these("temporada, episódio, spoiler, maratona, personagem, roteiro, elenco"),
            "#FilaDoBanco": _these("senha, boleto, atendimento, gerente, aplicativo, cartão, demora"),
            "#DiaDasMães": _these("mãe, presente, almoço, flores, saudade, abraço, família, carinho"),
        },
        phrases=(
            "gente, {a} hoje está demais {t}",
            "não acredito nesse {a} {t}",
            "vc viu {a} e {b}? {t}",
            "só queria {a} agora, tô morrendo de saudade {t}",
            "{t} que {a} maravilhoso, parabéns!",
            "{t} {a} de novo? ninguém merece kkkk",
            "melhor parte: {a} com {b} {t}",
            "mds {a} {t}",
            "alguém mais preocupado com {a}? {t}",
            "tbm quero {a}, pq não? {t}",
            "{a}, {b} e a vida segue {t}",
            "minha opinião: {a} precisa melhorar muito {t}",
            "chorei com {a} {t} ❤",
            "todo mundo falando de {a} e eu só penso em {b} {t}",
            "hj o povo acordou com {a} na cabeça {t}",
            "{t} acabou {a}, começou {b}",
            "sem {a} não tem graça {t} &lt;3",
            "{a} &amp; {b}: combinação perfeita {t}",
            "né possível, {a} outra vez {t} 😂",
            "que orgulho do nosso {a} {t} 🇧🇷",
        ),
        small=(
            "bom dia, Brasil! que a semana comece leve ☀",
            "saudade de um feriado prolongado",
            "preciso dormir mais e trabalhar menos",
            "alguém indica um filme bom pra hoje?",
            "meu cachorro comeu o controle da tv, socorro",
            "acabou a luz aqui no bairro de novo",
            "o preço do tomate está um absurdo",
        ),
    ),
    "es": _Talk(
        topics={
            "#LigaMX": _these("golazo, portero, árbitro, afición, penal, técnico, clásico, empate"),
            "#TelenovelaDeLas9": _these("villana, pareja, capítulo, beso, misterio, actriz, final"),
            "#DesayunoMexicano": _these("chilaquiles, café de olla, tamales, pan dulce, atole, salsa verde"),
            "#LluviaEnCDMX": _these("inundación, tráfico, metro, paraguas, granizo, pronóstico, viaducto"),
            "#DíaDeMuertos": _these("ofrenda, cempasúchil, calaverita, catrina, panteón, pan de muerto"),
            "#RegresoAClases": _these("mochila, maestra, uniforme, tarea, examen, útiles, recreo"),
            "#VivaLaMúsica": _these("mariachi, concierto, boletos, guitarra, escenario, cantante, coro"),
            "#SerieDelMomento": _these("temporada, episodio, spoiler, maratón, personaje, guion, reparto"),
            "#FilaDelBanco": _these("cajero, tarjeta, trámite, gerente, aplicación, demora, ventanilla"),
            "#PlayaYSol": _these("arena, olas, bloqueador, mariscos, palapa, atardecer, hamaca"),
        },
        phrases=(
            "oigan, {a} hoy está increíble {t}",
            "no puedo creer lo de {a} {t}",
            "¿ya vieron {a} y {b}? {t}",
            "solo quiero {a} ahorita {t}",
            "{t} qué {a} tan maravilloso, ¡felicidades!",
            "{t} ¿otra vez {a}? qué cansado jajaja",
            "lo mejor: {a} con {b} {t}",
            "¿alguien más preocupado por {a}? {t}",
            "yo también quiero {a}, ¿por qué no? {t}",
            "{a}, {b} y la vida sigue {t}",
            "mi opinión: {a} tiene que mejorar mucho {t}",
            "lloré con {a} {t} ❤",
            "todos hablan de {a} y yo pienso en {b} {t}",
            "sin {a} no tiene chiste {t} &lt;3",
            "{a} &amp; {b}: combinación perfecta {t}",
            "qué orgullo nuestro {a} {t} 🇲🇽",
        ),
        small=(
            "buenos días, México, que la semana empiece ligera ☀",
            "extraño un puente largo",
            "necesito dormir más y trabajar menos",
            "¿alguien recomienda una película para hoy?",
            "mi perro se comió el control de la tele, auxilio",
            "se fue la luz otra vez en la colonia",
        ),
    ),
}
LANGUAGES = tuple(_TALK)


class Generator:
    """A source of tweets that grows by *rate* a second and begins with those of the last *backlog*.

    They are in one of *languages* each, by turns, but for retweets, which have their original's.
    """

    def __init__(
        self,
        seed: int,
        rate: float,
        now: datetime,
        backlog: timedelta = timedelta(hours=1),
        languages: Sequence[str] = LANGUAGES[:1],
    ) -> None:
        self._seed = seed
        self._rate = rate
        self._languages = tuple(languages)
        self._next = max(0, self._number_at(now - backlog))

    def until(self, now: datetime) -> Iterator[Tweet]:
        """Yield the tweets written since the last call."""
        while self._next <= self._number_at(now):
            yield self.tweet(self._next)
            self._next += 1

    def state(self) -> dict[str, Any]:
        """Return what all tweets follow from."""
        other = {"languages": list(self._languages)} if self._languages != LANGUAGES[:1] else {}
        return {"kind": "generator", "seed": self._seed, "rate": self._rate, **other}

    def rewind(self, since: datetime) -> None:
        """Begin again with the tweets written at *since*."""
        self._next = max(0, self._number_at(since))
        while self._moment(self._next) < since:
            self._next += 1

    def _number_at(self, moment: datetime) -> int:
        return math.floor((moment - _START).total_seconds() * self._rate)

    def _moment(self, number: int) -> datetime:
        # To the millisecond, which is what ids and X's times hold.
        return _START + timedelta(milliseconds=math.floor(number * 1000 / self._rate))

    def _chance(self, number: int) -> random.Random:
        return random.Random(f"{self._seed}:{number}")  # noqa: S311 - not for secrets

    def tweet(self, number: int) -> Tweet:
        """Return the tweet of that number."""
        chance = self._chance(number)
        if chance.random() < _RETWEETS and number > 0:
            return self._retweet(number, chance)
        language = self._languages[number % len(self._languages)]
        text = self._text(_TALK[language], chance, number)
        given: dict[str, Any] = {"text": text, "author_id": self._person(chance)}
        author = made_up_author(given["author_id"])
        return tweet(*completed({**given, "author": author}, self._moment(number), number, language))

    def _is_retweet(self, number: int) -> bool:
        return number > 0 and self._chance(number).random() < _RETWEETS

    def _retweet(self, number: int, chance: random.Random) -> Tweet:
        # Most retweets are of something recent.
        other = max(0, number - 1 - int(chance.expovariate(1 / 60)))
        while self._is_retweet(other):
            other -= 1
        original = self.tweet(other)
        text = f"RT @{original.author['username']}: {original.data['text']}"
        given = {
            "text": text if len(text) <= _CUT else text[: _CUT - 1] + "…",
            "author": made_up_author(self._person(chance)),
            "referenced_tweets": [{"type": "retweeted", "id": original.data["id"]}],
        }
        return tweet(*completed(given, self._moment(number), number, original.data["lang"]))

    def _person(self, chance: random.Random) -> str:
        # A few write much, many write little.
        return str(200_000_000 + int(_PEOPLE * chance.random() ** 2) * 7919)

    def _text(self, talk: _Talk, chance: random.Random, number: int) -> str:
        if chance.random() < 0.1:
            text = chance.choice(talk.small)
        else:
            topic = self._topic(list(talk.topics), chance, number)
            first, second = chance.sample(talk.topics[topic], 2)
            text = chance.choice(talk.phrases).format(a=first, b=second, t=topic)
        if chance.random() < _MENTIONS:
            text = f"@{made_up_author(self._person(chance))['username']} {text}"
        if chance.random() < _LINKS:
            text += f" https://t.co/{snowflake(self._moment(number)) % 36**6:x}"
        return text

    def _topic(self, topics: list[str], chance: random.Random, number: int) -> str:
        """Choose a topic: each has its hour, when far more people talk of it than otherwise."""
        hour = (self._moment(number) - _START).total_seconds() / 3600
        weights = [
            1 / (place + 2) + max(0.0, math.sin(hour / 3 + place * 2.4)) ** 6 for place in range(len(topics))
        ]
        return chance.choices(topics, weights)[0]
