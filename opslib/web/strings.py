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
    "search.order": ("Order", "Ordem"),
    "search.order.newest": ("Newest first", "Mais novos primeiro"),
    "search.order.reach": ("By reach", "Por alcance"),
    "search.course": (
        "When the tweets that {query} finds were written",
        "Quando foram escritos os tuítes de {query}",
    ),
    "search.course.short": ("When they were written", "Quando foram escritos"),
    "search.first": ("To the first ones", "Aos primeiros"),
    "search.more": ("More", "Mais"),
    "search.beside": (
        "Of the newest one; each line narrows the search|Of the newest {n}; each line narrows the search",
        "Do mais novo; cada linha estreita a busca|Dos {n} mais novos; cada linha estreita a busca",
    ),
    "search.authors": ("Authors", "Autores"),
    "search.hashtags": ("Hashtags", "Hashtags"),
}
