"""Words of marketing and of everyday trades that mean much the same, a line a group: who asks about clips finds videos.

A word may stand in several groups. Words are compared by their stems, so one form is enough. Names of media in other
languages come from the list that ingestion reads exports by.
"""

from __future__ import annotations

from collections.abc import Iterator

from tasks.content.media import MEDIA_TYPES

# Phrases that are one word here, longest first.
PHRASES = {
    "call to action": "cta",
    "calls to action": "cta",
    "call-to-action": "cta",
    "calls-to-action": "cta",
    "click-through rate": "ctr",
    "click through rate": "ctr",
    "click-through": "ctr",
    "clickthrough": "ctr",
    "a/b test": "experiment",
    "a/b-test": "experiment",
    "ab test": "experiment",
    "split test": "experiment",
    "subject line": "subjectline",
    "subject header": "subjectline",
    "black friday": "blackfriday",
    "cyber monday": "cybermonday",
    "free of charge": "free",
    "user-generated": "ugc",
    "user generated": "ugc",
    "e-mail": "email",
    "sign-up": "signup",
    "sign up": "signup",
    "signing up": "signup",
    "signed up": "signup",
    "log in": "login",
    "check-out": "checkout",
    "pop-up": "popup",
    "follow-up": "followup",
    "follow up": "followup",
    "how-to": "howto",
    "how to": "howto",
    "rolled back": "rollback",
    "roll back": "rollback",
    "rolling back": "rollback",
    "went back": "rollback",
    "go back": "rollback",
    "put back": "rollback",
    "switched back": "rollback",
    "opted out": "unsubscribe",
    "opt out": "unsubscribe",
    "opting out": "unsubscribe",
    "two-for-one": "bundle",
    "money back": "refund",
    "money-back": "refund",
    "hard sell": "pushy",
    "all caps": "capitals",
    "upper case": "capitals",
    "working day": "workday",
    "week day": "workday",
    "working days": "workday",
    "social proof": "testimonial",
    "landing page": "landingpage",
    "no difference": "nodifference",
    "made no difference": "nodifference",
    "not matter": "nodifference",
}

# Words that every question may hold: they tell no learning from another.
_ASKING = """
do does did should would could can may might must what which when where who whom whose why how is are was were be been
being we our us you your yours they their them he she it its i me my a an the of for to in on at by with from and or if
than then that this these those there here as so any some all about into onto over under again ever never have has had
get got make made go going use used using know learn learned remember recall tell find found anything something thing
things really actually much many per work works working worked turn out still one ones also just please
effect result happen happened help worth pay good bad great well strong stronger lot lots proven yes
"""
ASKING = frozenset(_ASKING.split())

_GROUPS = """
email mail newsletter mailing mailshot inbox
subjectline subject headline title heading header
headline title heading header banner
preheader preview teaser snippet
emoji emoticon smiley smileys pictogram
hashtag hash tag
mention tag handle shoutout
link url hyperlink address
exclamation shout shouting
question ask asking query quiz
number figure digit statistic numeral stat data percentage numeric
capitals capital uppercase caps
cta button prompt ask invitation
long lengthy longer extended detailed wordy verbose length
short brief concise crisp terse snappy compact length shorter
readable easy simple plain readability clear understandable simplicity simpler
complex complicated hard difficult jargon dense technical
positive cheerful upbeat optimistic happy friendly warm
negative gloomy pessimistic sad angry critical
tone voice mood sentiment style register
formal official serious businesslike
casual informal relaxed chatty conversational colloquial
funny humor humorous joke witty comic meme playful
urgent urgency deadline countdown scarcity limited hurry expire expiring rush pressing
weekend saturday sunday
weekday workday monday tuesday wednesday thursday friday
morning dawn breakfast early am
noon midday lunch lunchtime lunchbreak
afternoon
evening night dusk late tonight pm nighttime
hour time clock timing when schedule oclock slot
day date timing when schedule
video clip reel film footage movie short
photo image picture photograph visual shot snapshot illustration
carousel album gallery slideshow slider swipe
gif animation animated
audio podcast sound music episode voice
text copy wording wordings words phrasing written
post content publication publish article update posting story piece
ad advert advertisement advertising campaign sponsored paid promoted commercial
channel platform network medium
facebook fb meta
instagram insta ig
twitter tweet x
youtube yt
blog article blogpost
tiktok
linkedin
website site page web webpage homepage
landingpage
engagement interaction reaction like comment interact engage engaging response respond resonate
share reshare repost retweet viral
reach impression view exposure audience visibility seen
click ctr tap clicking
open opening openrate opened opens
conversion convert purchase buy order sale checkout buyer bought sell sold selling
signup register registration subscribe subscription join enroll lead enrolment registering
unsubscribe optout churn leave cancel leaving lose
revenue income turnover earning money sales basket cart
price cost pricing fee charge expensive cheap tariff
discount coupon voucher rebate promo offer sale deal markdown reduction off percent
free gratis complimentary giveaway
shipping delivery dispatch postage ship deliver
refund return guarantee warranty
trial demo sample tryout test
customer client shopper consumer buyer user people visitor
subscriber follower fan member audience reader recipient
testimonial review rating endorsement recommendation quote referral stars
influencer creator blogger ambassador celebrity
ugc
employee staff team colleague coworker
founder ceo boss owner executive
product item article goods merchandise
launch release introduce announcement announce debut unveil
seasonal season holiday christmas xmas festive easter halloween
blackfriday cybermonday
summer winter spring autumn fall
recipe cook cooking dish food meal
behind backstage scenes
tutorial howto guide lesson instruction explainer tip advice
news current topical
story storytelling narrative anecdote tale
competition contest sweepstake raffle giveaway prize
survey poll questionnaire vote
event webinar workshop conference meetup seminar
bundle package set combo pair
personal personalize name individual tailored customized first
segment group cohort target targeting
mobile phone smartphone app handset device
desktop computer laptop pc
color colour red blue green hue shade
green button
background backdrop
logo brand branding
font typeface lettering typography
layout design template format look arrangement
popup overlay modal interstitial
form field input
login signin
countdown timer clock
frequency often cadence regular weekly daily twice times rhythm
double twice two
increase raise lift grow growth improve boost gain rise higher more better win beat outperform up benefit help
decrease drop fall decline lower worse lose fewer less reduce down hurt underperform harm damage cut suffer weaker
best top strongest effective successful winner winning
worst weakest poor losing loser avoid
experiment test trial tested tried testing trying
variant version arm variation treatment alternative
control baseline original default
nodifference same equal inconclusive undecided indifferent flat tie
decide decision decided conclude verdict settle choose chosen pick opted agreed agree
debate discuss discussion argue expert panel
model predictor prediction algorithm forecast predict predictor estimate
rollback revert restore return undo reinstate
promote promotion champion deploy deployed live replace activate serve production
withdraw withdrawal retire remove disable
drift stale degrade deteriorate outdated
churn attrition leave
pattern finding association correlation
sustainability sustainable eco environment environmental green climate
local neighborhood nearby regional city town
nostalgia retro vintage throwback
pet dog cat animal puppy kitten
child kid baby family parent mother father
face person people human portrait selfie
luxury premium exclusive vip
cheap budget affordable inexpensive low
new fresh novel latest
old aged ancient
thank thanks gratitude grateful
welcome onboarding greeting hello
reminder remind followup nudge
abandon abandoned cart basket
loyalty reward points member
retention keep stay return
language translation bilingual english german spanish french
budget spend spending
annual yearly year twelve
monthly month
week weekly
answer reply respond comment responding
consent cookie privacy gdpr permission agree
agency external outside freelancer contractor outsource
own inhouse internal
gift present freebie giveaway sample
parcel package box shipment packaging delivery
friend recommend recommender refer referral recommendation word
save saving
large big huge bigger size
small little tiny smaller size
first top order position placement
bottom last footer end
fast quick speed slow loading load
search seo google keyword ranking organic
print leaflet flyer brochure catalog poster billboard
radio tv television broadcast
sms text message whatsapp messenger
push notification alert
chat bot chatbot assistant support help service
faq help documentation
complaint criticism angry dissatisfied problem
error mistake failure bug wrong fault
store shop retailer outlet branch stores
wholesale reseller retailer distributor b2b
partner cooperation collaboration sponsor
country international abroad foreign global
region city local town
accessibility alt caption subtitle captions
caption description
thumbnail cover preview
age young old generation teen student senior
women men female male gender
budget money spending funds investment
payment pay invoice installment paypal card
basket cart bag
wishlist favorite
stock inventory availability available soldout
quality premium craftsmanship
recipe cooking baking
hire hiring job career recruit vacancy applicant
charity donation donate cause fundraising nonprofit
award certificate seal badge trust
security safe privacy trust
quote saying citation
list listicle roundup
checklist template worksheet download ebook whitepaper guide
interview conversation portrait
series episode sequel
birthday anniversary jubilee
mothersday valentine valentines fathersday
autumn fall november october september
winter december january february
spring march april may
summer june july august
tradition heritage history
science research study evidence
trend hype fad
calm quiet silence
sport fitness workout gym training
health wellness wellbeing healthy
coffee espresso latte
bread bakery loaf bake pastry
fashion clothes clothing dress apparel outfit
travel trip vacation journey holiday tourism tourist traveler
software program application tool code developer programmer engineer
screen display monitor window
dark black night
restaurant bistro cafe diner eatery pub bar kitchen
guest diner visitor patron
menu card dish meal course plate
waiter waitress server staff
tip gratuity
drink beverage wine beer
vegetable produce greens fruit
organic bio ecological pesticide
farm farmer field harvest
hotel hostel inn lodging room
booking reservation reserve appointment book
flight plane airline airport passenger
bus coach tram train subway transit commute
car vehicle motorist driver automobile garage workshop
bike bicycle cycle ebike
rent lend borrow hire lease loan
repair fix mend broken maintenance
seat chair place
ticket entry entrance admission
museum gallery exhibition exhibit
concert orchestra symphony opera musician
theater theatre play stage performance curtain
festival openair fair
club team association society
football soccer match game league
jersey shirt kit
youth junior youngster kid
betting gambling bookmaker
sponsor sponsoring patron
donor donation contributor contribution giving
appeal plea fundraising
cost overhead expense administration
wage salary pay
doctor physician practice clinic surgery
patient sick ill
hospital ward admission
remote online internet telehealth video distance
medicine drug tablet pill pharmacy
dentist dental tooth teeth
vet veterinarian veterinary
school class lesson classroom
pupil student learner graduate alumni
teacher tutor instructor
parent mother father guardian
uniform dress clothes
university college course degree
flat apartment home house property
tenant renter landlord
broker agent middleman realtor agency
neighbor street door
electricity energy power consumption
bill invoice account
lawyer attorney solicitor counsel
consultation meeting appointment session
law legal court
bank account branch teller
insurance policy cover claim quote
tax levy duty
city municipality council town
citizen resident inhabitant
newspaper paper press journal
paywall subscription limit
courier carrier parcel delivery
recipient addressee
bread loaf roll
waste garbage throw discard leftover
hairdresser stylist barber salon haircut
zoo animal enclosure
feed feeding food nutrition
library reading book
move relocate relocation
postpone delay reschedule
certificate certification label seal
license source opensource
wait queue line
half fifty
"""


def synonyms() -> Iterator[tuple[str, str]]:
    """Each word with the first word of its group, which names the group."""
    media = [f"{name} {aliases.replace('_', ' ')}" for name, aliases in MEDIA_TYPES.items()]
    for line in (*_GROUPS.strip().splitlines(), *media):
        words = line.split()
        yield from ((words[0], word) for word in words)
