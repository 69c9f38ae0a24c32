"""Words that hold any sentence together, of the languages most posts are written in.

They serve twice: no pattern is about them, and their share tells English from other languages.
"""

from __future__ import annotations

_ENGLISH = """
a about after all also am an and any are as at be because been before being but by can could did do does doing don down
during each even few for from further get got had has have having he her here hers him his how i if in into is it its
just like ll let me more most much my no nor not now of off on once only or other our out over own re same she should so
some such than that the their them then there these they this those through to too under until up ve very via was we
were what when where which while who whom why will with would you your yours it's don't i'm you're that's we're can't
isn't won't didn't doesn't he's she's there's let's i've we've you've they're us
"""
_GERMAN = """
aber alle als also am an auch auf aus bei bin bis da damit dann das dass dein deine dem den denn der des die dies diese
dir doch du durch ein eine einem einen einer eines er es euch euer für hat haben hier ich ihr ihre im in ist ja jetzt
kann kein keine man mehr mein mit nach nicht noch nur oder ohne sehr sein seine sich sie sind so über um und uns unser
unsere vom von vor war was wenn wer wie wir wird zu zum zur
"""
_FRENCH = """
à au aux avec ce ces cette c'est dans de des du elle en est et eux il ils je j'ai la le les leur lui ma mais me même mes
moi mon ne nos notre nous on ou où par pas plus pour qu que qui sa sans se ses si son sont sur ta te tes toi ton tout
très tu un une vos votre vous y été être
"""
_SPANISH = """
al algo como con cual cuando de del desde donde el ella ellos en entre era es esa ese eso esta este esto ha hasta hay la
las le les lo los más me mi mis mucho muy no nos nuestra nuestro o para pero por porque que qué se ser si sí sin sobre
son su sus también te tu tus un una uno y ya yo
"""
_ITALIAN = """
ai al alla alle anche che chi ci come con cosa da dal dalla dei del della delle di e è gli ha ho i il in io la le lo ma
mi nei nel nella noi non o per perché più quando questa questo se sei si sono su sua suo sul tra tu un una uno vi voi
"""
_PORTUGUESE = """
à ao aos as com como da das de dele do dos e é ela ele em entre era essa esse esta este eu foi há isso já mais mas me
meu minha muito na não nas no nos nós o os ou para pela pelo por qual quando que quem se sem ser seu sua só são também
te tem um uma você vocês
"""
_DUTCH = """
aan al als bij dat de deze die dit door een en er haar had hebben heeft het hier hij hoe ik in is je jij jouw kan maar
me meer met mijn naar niet nog nu of om onze ons ook op over te tot uit van veel voor want was wat we wel werd wij wordt
ze zich zij zijn zo
"""

ENGLISH = frozenset(_ENGLISH.split())
OTHERS = frozenset(
    word for words in (_GERMAN, _FRENCH, _SPANISH, _ITALIAN, _PORTUGUESE, _DUTCH) for word in words.split()
)
STOP_WORDS = ENGLISH | OTHERS
