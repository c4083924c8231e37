"""From alerts to people: routes, groups, silences, inhibition, the durable outbox.

alerting = Alerting(config, channels, state, now_ms, external_url)
await alerting.start()
await alerting.receive(alerts)
"""

from backbeat.alerting.ack_links import BadLink, ExpiredLink
from backbeat.alerting.acknowledging import UnknownAlert
from backbeat.alerting.history import Page, Search
from backbeat.alerting.plan import Plan, PlannedIntegration, PlannedReceiver, PlannedRoute
from backbeat.alerting.preview import Preview, Way
from backbeat.alerting.service import NOBODY, Alerting, InvalidAlerts, TooManyAlerts
from backbeat.alerting.silencing import InvalidSilence, OverBroadSilence, UnknownSilence
from backbeat.alerting.standing import Standing
from backbeat.alerting.unhurried import unhurried
from backbeat.alerting.views import AlertState, AlertStatus, AlertView, Filter, GroupView

__all__ = [
    "NOBODY",
    "AlertState",
    "AlertStatus",
    "AlertView",
    "Alerting",
    "BadLink",
    "ExpiredLink",
    "Filter",
    "GroupView",
    "InvalidAlerts",
    "InvalidSilence",
    "OverBroadSilence",
    "Page",
    "Plan",
    "PlannedIntegration",
    "PlannedReceiver",
    "PlannedRoute",
    "Preview",
    "Search",
    "Standing",
    "TooManyAlerts",
    "UnknownAlert",
    "UnknownSilence",
    "Way",
    "unhurried",
]
