"""Recording and alerting rules, their scheduler, and the one transition function of alert states."""

from backbeat.rules.manager import RuleManager
from backbeat.rules.state import AlertState, Reason
from backbeat.rules.status import AlertStatus, GroupStatus, Health, RuleStatus

__all__ = ["AlertState", "AlertStatus", "GroupStatus", "Health", "Reason", "RuleManager", "RuleStatus"]
