"""Every string of the page, in English and in Portuguese.

Names in braces are put in when a string is shown. Of two forms parted by ``|`` the first is for one, the
second for any other number.
"""

from __future__ import annotations

STRINGS: dict[str, tuple[str, str]] = {
    "made_up": (
        "The tweets here are made up: this lake is fed by the local X API, not by X.",
        "Os tuítes aqui são inventados: este lago é alimentado pela API local, não pelo X.",
    ),
    "nav.label": ("Main", "Principal"),
    "nav.now": ("Now", "Agora"),
    "nav.history": ("History", "Histórico"),
    "nav.topics": ("Topics", "Assuntos"),
    "nav.follows": ("Follows", "Seguidos"),
    "nav.operations": ("Operations", "Operação"),
    "nav.skip": ("Skip to content", "Ir para o conteúdo"),
    "menu": ("Settings", "Preferências"),
    "menu.language": ("Language", "Idioma"),
    "menu.theme": ("Colours", "Cores"),
    "theme.auto": ("As the device", "Como o aparelho"),
    "theme.light": ("Light", "Claro"),
    "theme.dark": ("Dark", "Escuro"),
    "login": ("Log in", "Entrar"),
    "logout": ("Log out", "Sair"),
    "login.title": ("What are people saying?", "O que andam dizendo?"),
    "login.intro": (
        "Word clouds of the tweets about what is trending, now and at any moment before.",
        "Nuvens de palavras dos tuítes sobre os assuntos do momento, agora e a qualquer hora passada.",
    ),
    "login.name": ("User name", "Usuário"),
    "login.password": ("Password", "Senha"),
    "login.wrong": ("The name or the password is wrong.", "O usuário ou a senha está errada."),
    "login.stale": ("The form had expired. Try again.", "O formulário tinha expirado. Tente de novo."),
    "login.limited": (
        "Too many attempts. Try again in {wait}.",
        "Tentativas demais. Tente de novo em {wait}.",
    ),
    "login.busy": (
        "Too many people are logging in at this moment. Try again.",
        "Há gente demais entrando agora. Tente de novo.",
    ),
    "login.help": (
        "Whoever runs this server makes users with",
        "Quem cuida deste servidor cria usuários com",
    ),
    "place": ("Place", "Lugar"),
    "span.between": ("{since} to {until}", "{since} a {until}"),
    "show": ("Show", "Mostrar"),
    "kind": ("What is drawn", "O que é desenhado"),
    "kind.words": ("Words", "Palavras"),
    "kind.topics": ("Topics", "Assuntos"),
    "now.title": ("What people say now", "O que dizem agora"),
    "now.live": ("Live", "Ao vivo"),
    "now.refresh": ("Refresh", "Atualizar"),
    "now.lost": ("No connection. Trying again.", "Sem conexão. Tentando de novo."),
    "cloud.alt.words": (
        "Word cloud of {place}, {moment}: {first}. All words with their numbers of tweets are listed below.",
        (
            "Nuvem de palavras de {place}, {moment}: {first}. Todas as palavras com seus números de tuítes "
            "estão listadas abaixo."
        ),
    ),
    "cloud.alt.topics": (
        "Cloud of the topics of {place}, {moment}: {first}. All topics are listed below.",
        "Nuvem dos assuntos de {place}, {moment}: {first}. Todos os assuntos estão listados abaixo.",
    ),
    "cloud.caption": ("{place}, {span}", "{place}, {span}"),
    "cloud.tweets": ("{n} tweet collected|{n} tweets collected", "{n} tuíte coletado|{n} tuítes coletados"),
    "cloud.topics": ("{n} topic|{n} topics", "{n} assunto|{n} assuntos"),
    "cloud.shows.words": (
        "Each word as large as the number of texts that hold it; retweets are not counted again",
        "Cada palavra do tamanho do número de textos que a contêm; retuítes não contam de novo",
    ),
    "cloud.shows.topics": (
        "Each topic as large as its number of tweets on X, as X says",
        "Cada assunto do tamanho do seu número de tuítes no X, como o X informa",
    ),
    "cloud.unknown": (
        "{n} is small because X does not say its number|{n} are small because X does not say their number",
        (
            "{n} está pequeno porque o X não informa seu número|{n} estão pequenos porque o X não informa "
            "seu número"
        ),
    ),
    "picture.words": (
        "in {n} text, retweets not counted|in {n} texts, retweets not counted",
        "em {n} texto, sem contar retuítes|em {n} textos, sem contar retuítes",
    ),
    "picture.topics": ("{n} tweet on X|{n} tweets on X", "{n} tuíte no X|{n} tuítes no X"),
    "picture.unknown": ("number unknown to X", "número que o X não informa"),
    "counted.words": ("texts that hold it", "textos que a contêm"),
    "counted.words.long": (
        "Texts that hold each; retweets are not counted again.",
        "Textos que contêm cada uma; retuítes não contam de novo.",
    ),
    "counted.topics": ("tweets on X", "tuítes no X"),
    "counted.collected": ("tweets collected", "tuítes coletados"),
    "counted.collected.long": (
        "Of the tweets collected, retweets among them.",
        "Dos tuítes coletados, retuítes incluídos.",
    ),
    "cloud.left_out": (
        "{n} word found no room|{n} words found no room",
        "{n} palavra não coube|{n} palavras não couberam",
    ),
    "cloud.permalink": ("Permanent link", "Link permanente"),
    "cloud.svg": ("SVG", "SVG"),
    "cloud.png": ("PNG", "PNG"),
    "cloud.words": ("Words and the texts that hold them", "Palavras e os textos que as contêm"),
    "cloud.topic_volumes": ("Topics and their tweets on X", "Assuntos e seus tuítes no X"),
    "cloud.about": ("Trending then", "Em destaque então"),
    "cloud.none": ("There is no cloud yet", "Ainda não há nuvem"),
    "cloud.none.help": (
        (
            "One is drawn with each new snapshot of what is trending. If none comes, the server's "
            "opslib-report service or the collection has stopped:"
        ),
        (
            "Uma é desenhada a cada novo retrato dos assuntos do momento. Se nenhuma vier, o serviço "
            "opslib-report do servidor ou a coleta parou:"
        ),
    ),
    "place.none": ("Nothing has been collected yet", "Nada foi coletado ainda"),
    "place.none.help": (
        (
            "The first trends and tweets come a few minutes after collecting has begun. On the server, this "
            "says which part is in trouble:"
        ),
        (
            "As primeiras tendências e tuítes chegam poucos minutos depois de a coleta começar. No servidor, "
            "isto diz que parte está com problemas:"
        ),
    ),
    "rising": ("Rising", "Em alta"),
    "rising.minutes": ("{n} min", "{n} min"),
    "rising.window": ("Window", "Janela"),
    "rising.topic": ("Topics", "Assuntos"),
    "rising.follow": ("Followed", "Seguidos"),
    "rising.hashtag": ("Hashtags", "Hashtags"),
    "rising.word": ("Words", "Palavras"),
    "rising.people": ("{n} person|{n} people", "{n} pessoa|{n} pessoas"),
    "rising.times": ("{times}× the usual", "{times}× o normal"),
    "rising.many": ("over {n}× the usual", "mais de {n}× o normal"),
    "rising.new": ("new", "novo"),
    "rising.quiet": (
        "Nothing stands out in this window.",
        "Nada se destaca nesta janela.",
    ),
    "rising.none": (
        "Nothing has been counted yet. The speed layer fills this a minute after tweets begin to come:",
        (
            "Nada foi contado ainda. A camada de velocidade preenche isto um minuto depois de os tuítes "
            "começarem a chegar:"
        ),
    ),
    "rising.meaning": (
        "Counted by people, not by tweets: many more than usual wrote about it here.",
        "Contado por pessoas, não por tuítes: muito mais gente que o normal escreveu sobre isso aqui.",
    ),
    "history.title": ("What people said before", "O que diziam antes"),
    "history.day": ("Day", "Dia"),
    "history.slider": ("Time of day", "Hora do dia"),
    "history.before": ("Earlier", "Antes"),
    "history.after": ("Later", "Depois"),
    "history.of_day": ("Clouds of {day}", "Nuvens de {day}"),
    "history.no_day": ("No cloud of {day} is kept", "Nenhuma nuvem de {day} está guardada"),
    "history.no_day.help": (
        "Choose another day, or go to the nearest cloud that is kept.",
        "Escolha outro dia, ou vá para a nuvem guardada mais próxima.",
    ),
    "history.none": (
        "No cloud is kept of this place and kind. They are kept from the first one on; see Now.",
        "Nenhuma nuvem deste lugar e tipo está guardada. Elas ficam desde a primeira; veja Agora.",
    ),
    "topics.title": ("What is trending in {place}", "Assuntos do momento: {place}"),
    "topics.at": ("As X gave it", "Como o X informou"),
    "topics.volume": ("{n} tweet on X|{n} tweets on X", "{n} tuíte no X|{n} tuítes no X"),
    "follow": ("followed", "seguido"),
    "follows.title": ("What is followed", "O que é seguido"),
    "follows.meaning": (
        "Queries of this lake, collected whether they trend or not; tweets of the last 24 hours.",
        "Consultas deste lago, coletadas mesmo fora dos assuntos do momento; tuítes das últimas 24 horas.",
    ),
    "follows.tweets": ("{n} tweet|{n} tweets", "{n} tuíte|{n} tuítes"),
    "topics.find": ("A topic or a word", "Um assunto ou uma palavra"),
    "topics.none": (
        "No snapshot of what is trending has been collected here.",
        "Nenhum retrato dos assuntos do momento foi coletado aqui.",
    ),
    "topic.collected": (
        "{n} tweet collected on this day|{n} tweets collected on this day",
        "{n} tuíte coletado neste dia|{n} tuítes coletados neste dia",
    ),
    "word.collected": (
        "{n} tweet with it collected on this day|{n} tweets with it collected on this day, with retweets",
        "{n} tuíte com ela coletado neste dia|{n} tuítes com ela coletados neste dia, com retuítes",
    ),
    "word.words": ("Words beside it", "Palavras ao lado dela"),
    "topic.course": (
        "Tweets with {name} by when they were written, every 15 minutes",
        "Tuítes com {name} por quando foram escritos, a cada 15 minutos",
    ),
    "topic.course.short": (
        "When people wrote: tweets every 15 minutes",
        "Quando as pessoas escreveram: tuítes a cada 15 minutos",
    ),
    "topic.ranks": ("Rank of {name} in {place}", "Posição de {name} em {place}"),
    "topic.ranks.short": ("Rank among what is trending", "Posição entre os assuntos do momento"),
    "topic.words": ("Its words", "Suas palavras"),
    "topic.languages": ("Languages", "Idiomas"),
    "history.compare": ("Compare with", "Comparar com"),
    "topic.peak": (
        "Most was written in the 15 minutes from {moment} on ({n}).",
        "Mais se escreveu nos 15 minutos a partir de {moment} ({n}).",
    ),
    "topic.peak.said": ("What was said then", "O que se disse então"),
    "topic.marked": (
        "Shaded: when it was trending.",
        "Sombreado: quando estava entre os assuntos do momento.",
    ),
    "topic.ranks.days": ("Rank over the last 7 days", "Posição nos últimos 7 dias"),
    "topic.hashtags": ("Hashtags that go with it", "Hashtags que vão junto"),
    "topic.people": ("Who talks", "Quem fala"),
    "topic.people.one": ("Author", "Autor"),
    "topic.people.number": (
        "{n} person, retweets included.|{n} people, retweets included.",
        "{n} pessoa, retuítes incluídos.|{n} pessoas, retuítes incluídos.",
    ),
    "topic.people.share": (
        "Those below wrote {share} of the tweets.",
        "As de baixo escreveram {share} dos tuítes.",
    ),
    "topic.people.none": (
        "No authors were collected for these tweets.",
        "Nenhum autor foi coletado para estes tuítes.",
    ),
    "topic.sample.reach": ("Tweets of most reach", "Tuítes de maior alcance"),
    "topic.sample": ("Some of the newest tweets", "Alguns dos tuítes mais novos"),
    "topic.too_many": (
        "There are too many tweets on this day to look through all of them now.",
        "Há tuítes demais neste dia para procurar em todos agora.",
    ),
    "topic.sample.none": (
        "No tweet of this day is stored for this topic.",
        "Nenhum tuíte deste dia está guardado para este assunto.",
    ),
    "topic.none": ("Nothing was collected about this on this day", "Nada foi coletado sobre isto neste dia"),
    "topic.none.help": (
        "Choose another day, or one of the topics that are trending:",
        "Escolha outro dia, ou um dos assuntos do momento:",
    ),
    "about.title": ("How is this counted?", "Como isto é contado?"),
    "about.intro": (
        "What every number of this page counts, and what its words mean.",
        "O que cada número desta página conta, e o que suas palavras significam.",
    ),
    "about.lake": ("Lake", "Lago"),
    "about.lake.text": (
        ("All that was collected and is kept here: tweets, what was trending, and the counts made of them."),
        (
            "Tudo o que foi coletado e está guardado aqui: tuítes, os assuntos do momento e as "
            "contagens feitas deles."
        ),
    ),
    "about.trend": ("Trending", "Do momento"),
    "about.trend.text": (
        (
            "What X says is trending at a place. Its number of tweets on X is X's own, all over the "
            "world; often X does not say it."
        ),
        (
            "O que o X diz estar em alta num lugar. O número de tuítes no X é do próprio X, no mundo "
            "todo; muitas vezes ele não o informa."
        ),
    ),
    "about.follow": ("Followed", "Seguido"),
    "about.follow.text": (
        ("A query of this lake's own, collected whether it is trending or not. It has no place."),
        ("Uma consulta deste lago, coletada esteja ou não entre os assuntos do momento. Não tem lugar."),
    ),
    "about.collected": ("Tweets collected", "Tuítes coletados"),
    "about.collected.text": (
        (
            "Tweets that came in for a topic or a place, retweets among them, at the moment when they "
            "were first collected for that. They are a sample of what is on X: the newest ones, as "
            "many as the budget allows."
        ),
        (
            "Tuítes que chegaram para um assunto ou um lugar, retuítes incluídos, no momento em que "
            "foram coletados primeiro para isso. São uma amostra do que há no X: os mais novos, tantos "
            "quantos o orçamento permite."
        ),
    ),
    "about.words": ("The number of a word", "O número de uma palavra"),
    "about.words.text": (
        (
            "How many texts hold the word in any of its spellings: accents, capitals and, in five "
            "languages, inflections do not matter. A text counts once, whatever it repeats. Words of "
            "grammar, laughter, links and mentions are not counted. Each number leads to the tweets "
            "that were counted for exactly this number."
        ),
        (
            "Quantos textos contêm a palavra em qualquer de suas grafias: acentos, maiúsculas e, em "
            "cinco idiomas, flexões não importam. Um texto conta uma vez, repita o que repetir. "
            "Palavras gramaticais, risadas, links e menções não contam. Cada número leva aos tuítes "
            "que foram contados para exatamente este número."
        ),
    ),
    "about.expressions": ("Expressions", "Expressões"),
    "about.expressions.text": (
        (
            "Two words that mostly stand side by side are counted as one, and a text that holds them "
            "does not count for either of the two as well."
        ),
        (
            "Duas palavras que quase sempre aparecem lado a lado contam como uma, e um texto que as "
            "contém não conta também para cada uma delas."
        ),
    ),
    "about.retweets": ("Retweets", "Retuítes"),
    "about.retweets.text": (
        (
            "A tweet and its retweets are one text. The first of them that was collected for what is "
            "asked counts; the others are said below it. Numbers of tweets have all of them."
        ),
        (
            "Um tuíte e seus retuítes são um só texto. Conta o primeiro deles que foi coletado para o "
            "que se pergunta; os outros são informados abaixo dele. Números de tuítes incluem todos."
        ),
    ),
    "about.cloud": ("Word cloud", "Nuvem de palavras"),
    "about.cloud.text": (
        (
            "The words of the tweets that were collected in some hours for what was trending at a "
            "moment, each as large as its number of texts. Grey are the words that the topics' own "
            "names are made of. A word stays where it stood in the cloud before, as far as there is "
            "room."
        ),
        (
            "As palavras dos tuítes coletados em algumas horas para os assuntos de um momento, cada "
            "uma do tamanho do seu número de textos. Em cinza, as palavras dos próprios nomes dos "
            "assuntos. Uma palavra fica onde estava na nuvem anterior, enquanto houver espaço."
        ),
    ),
    "about.day": ("Days and times", "Dias e horas"),
    "about.day.text": (
        (
            "They are those of the place that is looked at. A tweet belongs to the day on which it was "
            "first collected for what is asked."
        ),
        (
            "São os do lugar que se vê. Um tuíte pertence ao dia em que foi coletado primeiro para o "
            "que se pergunta."
        ),
    ),
    "about.rising": ("Rising", "Em alta"),
    "about.rising.text": (
        (
            "Counted by people, not by tweets: how many different authors wrote about something in the "
            "last 1, 5 or 60 minutes, against the mean of such windows before. New is what nobody "
            "wrote about in these."
        ),
        (
            "Contado por pessoas, não por tuítes: quantos autores diferentes escreveram sobre algo nos "
            "últimos 1, 5 ou 60 minutos, contra a média de janelas assim anteriores. Novo é aquilo "
            "sobre que ninguém escreveu nelas."
        ),
    ),
    "about.reach": ("Reach", "Alcance"),
    "about.reach.text": (
        ("Retweets, quotes, replies and likes of a tweet, as X said when it was last collected."),
        (
            "Retuítes, citações, respostas e curtidas de um tuíte, como o X informou quando foi "
            "coletado por último."
        ),
    ),
    "about.course": ("When people wrote", "Quando as pessoas escreveram"),
    "about.course.text": (
        ("Tweets by the time at which they were written, whenever they were collected."),
        ("Tuítes pela hora em que foram escritos, quando quer que tenham sido coletados."),
    ),
    "about.compare": ("Compare", "Comparar"),
    "about.compare.text": (
        (
            "Both sides are counted in the same grouping of spellings. A word's share is its part of "
            "all words counted on its side. How far two shares differ is told in standard deviations "
            "of the weighted log-odds ratio (Monroe, Colaresi and Quinn 2008), with all that was said "
            "in both times as the prior: so a frequent word needs a larger difference to stand out "
            "than its size alone gives, and a rare one more than a handful of texts. Beyond 1.96 it is "
            "chance in less than one case of twenty."
        ),
        (
            "Os dois lados são contados no mesmo agrupamento de grafias. A parte de uma palavra é sua "
            "fração de todas as palavras contadas do seu lado. Quanto duas partes diferem é dito em "
            "desvios padrão da razão de chances logarítmica ponderada (Monroe, Colaresi e Quinn 2008), "
            "com tudo o que se disse nos dois períodos como prévia: assim uma palavra frequente "
            "precisa de mais que seu tamanho para se destacar, e uma rara de mais que um punhado de "
            "textos. Além de 1,96 é acaso em menos de um caso em vinte."
        ),
    ),
    "about.hidden": ("Hidden", "Oculto"),
    "about.hidden.text": (
        (
            "What pictures, tables and lists do not show, because who runs the lake hides it: words "
            "with the tweets that hold them, and the tweets of authors. It stays in all numbers, and "
            "each list says how many of its tweets it leaves out."
        ),
        (
            "O que imagens, tabelas e listas não mostram, porque quem cuida do lago o oculta: palavras "
            "com os tuítes que as contêm, e os tuítes de autores. Fica em todos os números, e cada "
            "lista diz quantos dos seus tuítes deixa de fora."
        ),
    ),
    "about.forgotten": ("Forgotten", "Esquecido"),
    "about.forgotten.text": (
        (
            "A tweet that was deleted on X, or that somebody asked to take out, is nowhere any more: "
            "not in lists, and not in numbers either, once they are counted anew."
        ),
        (
            "Um tuíte apagado no X, ou que alguém pediu para tirar, não está mais em lugar nenhum: nem "
            "nas listas, nem nos números, assim que são contados de novo."
        ),
    ),
    "nav.compare": ("Compare", "Comparar"),
    "compare.title": ("What is said differently", "O que se diz de diferente"),
    "compare.first": ("First side", "Primeiro lado"),
    "compare.second": ("Second side", "Segundo lado"),
    "compare.topic": ("Topic", "Assunto"),
    "compare.topic.empty": ("everything", "tudo"),
    "compare.kind": ("Kind", "Tipo"),
    "compare.kind.trend": ("trending", "do momento"),
    "compare.kind.follow": ("followed", "seguido"),
    "compare.from": ("From", "De"),
    "compare.to": ("to", "até"),
    "compare.go": ("Compare", "Comparar"),
    "compare.swap": ("Swap sides", "Trocar os lados"),
    "compare.tweets": ("{n} tweet collected|{n} tweets collected", "{n} tuíte coletado|{n} tuítes coletados"),
    "compare.cloud": ("Words of {side}", "Palavras de {side}"),
    "compare.colours": (
        (
            "A word stands in the same place and has the same colour in both. Coloured is what one "
            "side has significantly more of."
        ),
        (
            "Uma palavra fica no mesmo lugar e tem a mesma cor nos dois. Colorido é o que um lado tem "
            "significativamente mais."
        ),
    ),
    "compare.more": ("More in {side}", "Mais em {side}"),
    "compare.word": ("Word", "Palavra"),
    "compare.change": ("Change", "Mudança"),
    "compare.score": ("Significance", "Significância"),
    "compare.way.new": ("new", "nova"),
    "compare.way.grown": ("grown", "cresceu"),
    "compare.way.gone": ("gone", "sumiu"),
    "compare.way.shrunk": ("shrunk", "diminuiu"),
    "compare.none": ("No word differs significantly.", "Nenhuma palavra difere significativamente."),
    "compare.empty": ("Nothing was counted on either side", "Nada foi contado em nenhum dos lados"),
    "compare.empty.help": (
        "Choose other days, or topics as they are named under Topics.",
        "Escolha outros dias, ou assuntos como estão em Assuntos.",
    ),
    "compare.course": (
        "When people wrote: both sides, the second laid over the first",
        "Quando as pessoas escreveram: os dois lados, o segundo sobre o primeiro",
    ),
    "compare.rule": (
        (
            "Numbers are texts that hold the word, and its share of all words counted on that side. "
            "Significance is the weighted log-odds ratio with a prior of all that was said in both "
            "times, in standard deviations: beyond 1.96 it is chance in less than one case of twenty."
        ),
        (
            "Os números são textos que contêm a palavra, e a parte dela em todas as palavras contadas "
            "daquele lado. A significância é a razão de chances logarítmica ponderada, com o que se "
            "disse ao todo nos dois períodos como prévia, em desvios padrão: além de 1,96 é acaso em "
            "menos de um caso em vinte."
        ),
    ),
    "compare.with_before": ("Compare with the day before", "Comparar com o dia anterior"),
    "behind.back": ("The cloud", "A nuvem"),
    "behind.order": ("Order", "Ordem"),
    "behind.order.new": ("Newest first", "Mais novos primeiro"),
    "behind.order.reach": ("By reach", "Por alcance"),
    "behind.number": (
        "Counted in {n} text,|Counted in {n} texts,",
        "Contada em {n} texto,|Contada em {n} textos,",
    ),
    "behind.tweets": (
        "which is {n} tweet.|which are {n} tweets with their retweets.",
        "que é {n} tuíte.|que são {n} tuítes com seus retuítes.",
    ),
    "behind.beside": ("Together with {name}.", "Junto com {name}."),
    "behind.kept": (
        "The cloud says {n}: tweets have come or gone since it was drawn.",
        "A nuvem diz {n}: tuítes chegaram ou saíram desde que foi desenhada.",
    ),
    "behind.how": ("How is this counted?", "Como isto é contado?"),
    "behind.rule": (
        "A text counts once if it holds the word in one of its spellings, where it was first collected.",
        "Um texto conta uma vez se contém a palavra numa de suas grafias, onde foi coletado primeiro.",
    ),
    "behind.rule.topic": (
        "A text collected for the topic counts once if it holds the word in one of its spellings.",
        "Um texto coletado para o assunto conta uma vez se contém a palavra numa de suas grafias.",
    ),
    "behind.rule.cloud": (
        "A text collected for one of the cloud's topics in its span counts once if it holds the word.",
        "Um texto coletado para um dos assuntos da nuvem no período dela conta uma vez se contém a palavra.",
    ),
    "behind.rule.retweets": (
        "Retweets of a text are not counted again; they are said below it.",
        "Retuítes de um texto não contam de novo; são informados abaixo dele.",
    ),
    "behind.rule.rising": (
        "The tweets below were written in the window; retweets are among them.",
        "Os tuítes abaixo foram escritos na janela, retuítes incluídos.",
    ),
    "behind.spellings": ("Spellings:", "Grafias:"),
    "behind.without": (
        "A text with this expression counts for the expression instead:",
        "Um texto com esta expressão conta para a expressão:",
    ),
    "behind.more": ("All rules", "Todas as regras"),
    "behind.again": (
        "Retweeted {n} time here.|Retweeted {n} times here.",
        "Retuitado {n} vez aqui.|Retuitado {n} vezes aqui.",
    ),
    "behind.reach": ("Reach on X: {n}.", "Alcance no X: {n}."),
    "behind.twice": (
        "Counts twice: it holds two words that are shown alike.",
        "Conta duas vezes: contém duas palavras mostradas iguais.",
    ),
    "behind.listed": ("{n} tweet,|{n} tweets,", "{n} tuíte,|{n} tuítes,"),
    "behind.retweets": (
        "{n} of them a retweet, by|{n} of them retweets, by",
        "{n} deles retuíte, de|{n} deles retuítes, de",
    ),
    "behind.since": (
        "Tweets have come or gone since the window was counted.",
        "Tuítes chegaram ou saíram desde que a janela foi contada.",
    ),
    "behind.none": ("No tweet was counted for this", "Nenhum tuíte foi contado para isto"),
    "behind.none.help": (
        "They may have been forgotten since, or their time of keeping may be over.",
        "Podem ter sido esquecidos desde então, ou o prazo em que são guardados terminou.",
    ),
    "behind.too_many": ("Too many tweets to look through", "Tuítes demais para procurar"),
    "behind.too_many.help": (
        "Choose a shorter time, or one topic.",
        "Escolha um período mais curto, ou um só assunto.",
    ),
    "behind.word": ("All about {name} on this day", "Tudo sobre {name} neste dia"),
    "behind.pages": ("Pages", "Páginas"),
    "behind.page": ("Page {page} of {last}", "Página {page} de {last}"),
    "behind.page.before": ("Before", "Anterior"),
    "behind.page.after": ("Next", "Próxima"),
    "topic.back": ("All topics", "Todos os assuntos"),
    "tweet.on_x": ("View on X", "Ver no X"),
    "tweet.author_unknown": ("Author on X", "Autor no X"),
    "tweets": ("tweets", "tuítes"),
    "rank": ("rank", "posição"),
    "time": ("Time", "Hora"),
    "word": ("Word", "Palavra"),
    "topic": ("Topic", "Assunto"),
    "language": ("Language", "Idioma"),
    "plot.values": ("Values", "Valores"),
    "plot.newest": ("newest {value}", "último {value}"),
    "language.unknown": ("unknown", "desconhecido"),
    "language.others": ("others", "outros"),
    "operations.title": ("How it is running", "Como está funcionando"),
    "operations.hours": ("Time shown", "Período mostrado"),
    "operations.hours.1": ("1 hour", "1 hora"),
    "operations.hours.6": ("6 hours", "6 horas"),
    "operations.hours.24": ("1 day", "1 dia"),
    "operations.hours.168": ("1 week", "1 semana"),
    "operations.recorded": ("Newest minute recorded: {ago}", "Último minuto registrado: {ago}"),
    "operations.rates": ("Tweets collected a minute", "Tuítes coletados por minuto"),
    "operations.delay_collected": ("From written to collected", "Da escrita à coleta"),
    "operations.delay_stored": ("From collected to stored", "Da coleta ao armazenamento"),
    "operations.half": ("half of the tweets", "metade dos tuítes"),
    "operations.most": ("95 % of the tweets", "95 % dos tuítes"),
    "operations.lag": ("Messages waiting in Kafka", "Mensagens esperando no Kafka"),
    "operations.dead_letters": (
        "Messages that could not be stored",
        "Mensagens que não puderam ser guardadas",
    ),
    "operations.languages": ("Languages of the tweets collected", "Idiomas dos tuítes coletados"),
    "operations.budget": ("Budget of today", "Orçamento de hoje"),
    "operations.usd": ("spent", "gasto"),
    "operations.resources": ("posts and trends read", "posts e tendências lidos"),
    "operations.spent": ("{spent}, {left} left", "{spent}, restam {left}"),
    "operations.spent_only": ("{spent}, no limit", "{spent}, sem limite"),
    "figure.rate": ("tweets collected a minute, last 5 min", "tuítes coletados por minuto, últimos 5 min"),
    "figure.total": ("tweets collected in the time shown", "tuítes coletados no período"),
    "figure.lag": ("messages waiting", "mensagens esperando"),
    "figure.delay": ("until stored, 95 %", "até armazenar, 95 %"),
    "figure.dead_letters": ("not stored", "não guardadas"),
    "operations.none": ("Nothing has been recorded in this time", "Nada foi registrado neste período"),
    "operations.none.help": (
        "The service opslib-stats records once a minute. On the server, this says how it is:",
        "O serviço opslib-stats registra uma vez por minuto. No servidor, isto diz como ele está:",
    ),
    "error.404": ("There is nothing here", "Não há nada aqui"),
    "error.404.help": (
        "The address may be wrong, or what it showed is not kept any more.",
        "O endereço pode estar errado, ou o que ele mostrava não está mais guardado.",
    ),
    "error.503": ("The lake does not answer", "O lago não responde"),
    "error.503.help": (
        "MongoDB cannot be reached at the moment. Try again in some seconds.",
        "O MongoDB não está acessível no momento. Tente de novo em alguns segundos.",
    ),
    "error.other": ("That did not work", "Isso não funcionou"),
    "error.other.help": (
        "The request was not understood, or something broke on the way.",
        "O pedido não foi entendido, ou algo quebrou no caminho.",
    ),
    "error.home": ("Go to Now", "Ir para Agora"),
    "nav.search": ("Search", "Busca"),
    "search.query": ("What is looked for", "O que se procura"),
    "search.clock": ("Place of its clock", "Lugar do relógio"),
    "search.go": ("Search", "Buscar"),
    "search.wrong": ("This is not understood:", "Isto não se entende:"),
    "search.away": ("There is no answer yet", "Ainda não há resposta"),
    "search.how": ("How to look for something", "Como procurar"),
    "search.how.words": ("tweets with all of these words", "tuítes com todas estas palavras"),
    "search.how.phrase": ("with these words in this order", "com estas palavras nesta ordem"),
    "search.how.beginning": ("with a word that begins so", "com uma palavra que começa assim"),
    "search.how.exact": (
        "exactly as it is written; else case and accents do not matter",
        "exatamente como está escrito; senão maiúsculas e acentos não importam",
    ),
    "search.how.either": ("with one of them at least", "com ao menos uma delas"),
    "search.how.without": ("without it", "sem ela"),
    "search.how.operators": (
        "by author, language, topic, place, what it has, what it is, and when it was written",
        "por autor, idioma, assunto, lugar, o que contém, o que é e quando foi escrito",
    ),
    "search.nothing": ("Nothing is found", "Nada encontrado"),
    "search.nothing.help": (
        "No stored tweet is like this. Fewer words, or a beginning such as carna*, find more.",
        "Nenhum tuíte guardado é assim. Menos palavras, ou um começo como carna*, encontram mais.",
    ),
    "search.found": ("{n} tweet|{n} tweets", "{n} tuíte|{n} tuítes"),
    "search.tweets": ("Tweets", "Tuítes"),
    "search.order": ("Order", "Ordem"),
    "search.order.newest": ("Newest first", "Mais novos primeiro"),
    "search.order.reach": ("By reach", "Por alcance"),
    "search.course": (
        "When the tweets that {query} finds were written",
        "Quando foram escritos os tuítes de {query}",
    ),
    "search.course.short": ("When they were written", "Quando foram escritos"),
    "search.cloud": ("What they say", "O que dizem"),
    "search.cloud.rule": (
        (
            "Words of the newest tweet, but for what is asked for.|Words of the newest {n} tweets, but "
            "for what is asked for. What is retweeted counts once, and a word narrows the search."
        ),
        (
            "Palavras do tuíte mais novo, fora o que se procura.|Palavras dos {n} tuítes mais novos, "
            "fora o que se procura. O que é retuitado conta uma vez, e uma palavra estreita a busca."
        ),
    ),
    "search.first": ("To the first ones", "Aos primeiros"),
    "search.more": ("More", "Mais"),
    "search.beside": (
        "Of the newest one; each line narrows the search|Of the newest {n}; each line narrows the search",
        "Do mais novo; cada linha estreita a busca|Dos {n} mais novos; cada linha estreita a busca",
    ),
    "search.authors": ("Authors", "Autores"),
    "search.hashtags": ("Hashtags", "Hashtags"),
    "hidden.title": ("What is hidden", "O que está oculto"),
    "hidden.intro": (
        (
            "Who runs this lake hides these words and authors. Pictures, tables and lists leave them "
            "out, with the tweets that hold them. They count all the same: a list says how many it "
            "leaves out."
        ),
        (
            "Quem cuida deste lago oculta estas palavras e autores. Imagens, tabelas e listas os deixam"
            " de fora, com os tuítes que os contêm. Contam mesmo assim: uma lista diz quantos deixa de "
            "fora."
        ),
    ),
    "hidden.words": ("Words", "Palavras"),
    "hidden.authors": ("Authors", "Autores"),
    "hidden.reason": ("Why", "Por quê"),
    "hidden.none": ("Nothing is hidden", "Nada está oculto"),
    "hidden.left_out": (
        "{n} more tweet of this list is hidden.|{n} more tweets of this list are hidden.",
        "Mais {n} tuíte desta lista está oculto.|Mais {n} tuítes desta lista estão ocultos.",
    ),
    "error.hidden": ("This is hidden", "Isto está oculto"),
    "error.hidden.help": (
        "Who runs this lake does not show it.",
        "Quem cuida deste lago não o mostra.",
    ),
    "saved.title": (
        "Saved searches",
        "Buscas salvas",
    ),
    "saved.save": (
        "Save this search",
        "Salvar esta busca",
    ),
    "saved.name": (
        "Its name",
        "Nome",
    ),
    "saved.go": (
        "Save",
        "Salvar",
    ),
    "saved.remove": (
        "Remove",
        "Remover",
    ),
    "account.title": (
        "Change your password",
        "Trocar sua senha",
    ),
    "account.now": (
        "Password until now",
        "Senha atual",
    ),
    "account.wanted": (
        "New password, {n} characters at least",
        "Senha nova, ao menos {n} caracteres",
    ),
    "account.again": (
        "New password again",
        "Senha nova de novo",
    ),
    "account.change": (
        "Change",
        "Trocar",
    ),
    "account.changed": (
        "The password is changed, and all other sessions of yours have ended.",
        "A senha foi trocada, e todas as suas outras sessões terminaram.",
    ),
    "account.wrong": (
        "The password until now is wrong.",
        "A senha atual está errada.",
    ),
    "account.different": (
        "The new password was written in two ways.",
        "A senha nova foi escrita de dois jeitos.",
    ),
    "account.short": (
        "A password has {n} characters at least, and 1,024 at most.",
        "Uma senha tem ao menos {n} caracteres, e no máximo 1.024.",
    ),
    "follows.heading": (
        "What is followed",
        "O que é seguido",
    ),
    "follows.intro": (
        "Queries that are collected whether they trend or not, each for at most what it may cost.",
        "Consultas que são coletadas, em alta ou não, cada uma por no máximo o que pode custar.",
    ),
    "follows.new": (
        "Follow something",
        "Seguir algo",
    ),
    "follows.limits": (
        "A follow of this page may cost {each} a day at most, all of them together {all}.",
        "Cada consulta desta página pode custar no máximo {each} por dia, todas juntas {all}.",
    ),
    "follows.query": (
        "Query or account",
        "Consulta ou conta",
    ),
    "follows.query.help": (
        'As X searches: words, "phrases", OR, -not, #hashtags; @account follows what an account writes.',
        'Como o X busca: palavras, "frases", OR, -não, #hashtags; @conta segue o que uma conta escreve.',
    ),
    "follows.name": (
        "Name it is shown by",
        "Nome com que aparece",
    ),
    "follows.lang": (
        "Only in this language (optional)",
        "Só nesta língua (opcional)",
    ),
    "follows.usd_day": (
        "At most USD a day",
        "No máximo USD por dia",
    ),
    "follows.usd_total": (
        "At most USD in all (optional)",
        "No máximo USD no total (opcional)",
    ),
    "follows.ask": (
        "What would it cost?",
        "Quanto custaria?",
    ),
    "follows.ask.cost": (
        "The estimate itself costs USD 0.005; nothing is followed yet.",
        "A própria estimativa custa USD 0,005; nada é seguido ainda.",
    ),
    "follows.estimate": (
        "Follow {name}?",
        "Seguir {name}?",
    ),
    "follows.estimate.posts": (
        "About one post a day.|About {n} posts a day.",
        "Cerca de uma postagem por dia.|Cerca de {n} postagens por dia.",
    ),
    "follows.estimate.error": (
        "(±{percent} %)",
        "(±{percent} %)",
    ),
    "follows.estimate.cost": (
        "All of them would cost {day} a day, {month} a month.",
        "Todas custariam {day} por dia, {month} por mês.",
    ),
    "follows.estimate.all": (
        "{cap} a day is enough for all of them.",
        "{cap} por dia bastam para todas.",
    ),
    "follows.estimate.share": (
        "{cap} a day buys {percent} % of them, the newest of each round.",
        "{cap} por dia compram {percent} % delas, as mais novas de cada rodada.",
    ),
    "follows.days": (
        "Posts of the last days",
        "Postagens dos últimos dias",
    ),
    "follows.day": (
        "24 hours from",
        "24 horas desde",
    ),
    "follows.add": (
        "Follow it",
        "Seguir",
    ),
    "follows.leave": (
        "Leave it",
        "Deixar",
    ),
    "follows.pause": (
        "Pause",
        "Pausar",
    ),
    "follows.resume": (
        "Resume",
        "Retomar",
    ),
    "follows.remove": (
        "Remove",
        "Remover",
    ),
    "follows.done.add": (
        "It is followed: the first tweets come within minutes.",
        "Está sendo seguido: os primeiros tuítes chegam em minutos.",
    ),
    "follows.done.pause": (
        "It is paused.",
        "Está em pausa.",
    ),
    "follows.done.resume": (
        "It is collected again.",
        "Volta a ser coletado.",
    ),
    "follows.done.remove": (
        "It is followed no more; what was collected stays.",
        "Não é mais seguido; o que foi coletado fica.",
    ),
    "follows.state.active": (
        "active",
        "ativo",
    ),
    "follows.state.paused": (
        "paused",
        "em pausa",
    ),
    "follows.state.over": (
        "over",
        "encerrado",
    ),
    "follows.today": (
        "Cost today (UTC)",
        "Custo hoje (UTC)",
    ),
    "follows.all": (
        "Cost in all",
        "Custo total",
    ),
    "follows.of": (
        "{spent} of {cap} at most",
        "{spent} de no máximo {cap}",
    ),
    "follows.how": (
        "Collected",
        "Coleta",
    ),
    "follows.mode.search": (
        "by search",
        "por busca",
    ),
    "follows.mode.stream": (
        "from the stream",
        "pelo fluxo",
    ),
    "follows.until": (
        "Until",
        "Até",
    ),
    "follows.by": (
        "Last changed by",
        "Última alteração por",
    ),
    "follows.inventory": (
        "From the inventory: it is changed there.",
        "Do inventário: é alterado lá.",
    ),
    "follows.none": (
        "Nothing is followed yet",
        "Nada é seguido ainda",
    ),
    "follows.none.help": (
        "What trends is collected by itself. What you want to know besides is followed here.",
        "O que está em alta é coletado por si. O que mais se quer saber é seguido aqui.",
    ),
    "follows.away": (
        "What is followed cannot be shown now",
        "O que é seguido não pode ser mostrado agora",
    ),
    "follows.nobody": (
        "This page has nobody who follows things for it: `opslib follow` on NiFi's host does.",
        "Esta página não tem quem siga coisas por ela: `opslib follow` no host do NiFi faz isso.",
    ),
    "follows.not": (
        "Not done.",
        "Não foi feito.",
    ),
    "follows.hint": (
        'Words, "phrases", OR, -not and parentheses that close; an account as @name; money as 0.50.',
        'Palavras, "frases", OR, -não e parênteses que fecham; uma conta como @nome; dinheiro como 0,50.',
    ),
    "follows.refused": (
        "Your role is viewer: you may look, and change nothing. Ask whoever runs the lake.",
        "Seu papel é viewer: você pode ver, e não mudar nada. Fale com quem cuida do lago.",
    ),
    "follows.look": (
        "Your role is viewer. Analysts and operators add, pause and remove what is followed.",
        "Seu papel é viewer. Analistas e operadores adicionam, pausam e removem o que é seguido.",
    ),
    "follows.is_hidden": (
        "It holds a word that is hidden here.",
        "Contém uma palavra que está oculta aqui.",
    ),
    "follows.no_money": (
        "{typed} is no sum of USD, such as 0.50.",
        "{typed} não é uma quantia de USD, como 0,50.",
    ),
    "account.role": (
        "Your role: {role}",
        "Seu papel: {role}",
    ),
}
