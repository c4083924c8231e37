"""Random PromQL that means something over `random_series`: every operator, modifier and function.

In:  a `random.Random`. Out: query texts.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from msgspec import Struct

Make = Callable[[], str]

_EXACT_FUNCTIONS = ("abs", "ceil", "floor", "sgn", "timestamp", "sort", "sort_desc")
_FUNCTIONS = ("asinh", "atan", "cosh", "deg", "exp", "rad", "sinh", "sqrt", "tanh")
_STEEP_FUNCTIONS = ("cos", "sin", "tan", "ln", "log10", "log2", "acos", "acosh", "asin", "atanh")
"""A last bit more or less may change all of their result."""
_TIME_FUNCTIONS = (
    *("day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"),
)
_CHOOSING_RANGE_FUNCTIONS = (
    *("changes", "resets", "count_over_time", "last_over_time", "max_over_time", "min_over_time"),
    *("present_over_time",),
)
_RANGE_FUNCTIONS = (
    *("avg_over_time", "stddev_over_time", "stdvar_over_time", "sum_over_time", "delta", "deriv", "idelta"),
    *("irate", "rate", "increase", "absent_over_time"),
)
_NEW_RANGE_FUNCTIONS = (
    *("first_over_time", "mad_over_time", "ts_of_first_over_time", "ts_of_last_over_time"),
    *("ts_of_max_over_time", "ts_of_min_over_time", "integral"),
)
_EXACT_AGGREGATIONS = ("min", "max", "count", "group")
_AGGREGATIONS = ("sum", "avg", "stddev", "stdvar")
_LABELS = ("job", "instance", "kind", "zone", "le", "nothing", "__name__", "__type__", '"lab el"')
_PARTS = ("", "{job='api'}", "{instance=~'i1.*'}", "{job!='web',instance!~'i2'}", "{zone=''}", "{job=~'.+'}")


class RandomQueries(Struct):
    """newest: what came with version 3 of Prometheus, too.

    Functions with steps in them (comparisons, floor, topk) are put on numbers that both engines have to the
    last bit, or the ninth digit of a rate would turn up as a missing series.
    """

    chance: random.Random
    newest: bool
    start_s: int

    def query(self) -> str:
        kind = self.chance.random()
        if kind < 0.05:
            return self.scalar(2)
        if kind < 0.1:
            return self.chosen()
        if kind < 0.13:
            return self.bare()
        if kind < 0.15 and self.newest:
            return self.of_huge()
        return self.vector(self.chance.choice((1, 2, 2, 3)))

    def bare(self) -> str:
        """Samples as they are, which an instant query shows, and texts."""
        mode = self.pick(" anchored", " smoothed") if self.newest and self.chance.random() < 0.3 else ""
        selected = f"{self.selector()}[{self.duration()}]{mode}{self.modifiers()}"
        if not self.newest:
            return f"{self.selector()}[{self.duration()}] offset 90s"  # it fails with @
        return self.pick(selected, f"({self.window(2)})", "'text'", self.window(2))

    def pick(self, *of: str) -> str:
        return self.chance.choice(of)

    def one_of(self, makers: Sequence[tuple[int, Make]]) -> str:
        weights = [weight for weight, _ in makers]
        return self.chance.choices([make for _, make in makers], weights)[0]()

    # Numbers

    def number(self) -> str:
        numbers = ("0", "1", "2", "7", "0.5", "-1", "1e3", "-0.25", "3.7", "NaN", "Inf", "-Inf")
        return self.chance.choice(numbers)

    def scalar(self, depth: int) -> str:
        if depth <= 0 or self.chance.random() < 0.5:
            return self.number()
        plain: list[tuple[int, Make]] = [
            (3, lambda: self.pick("time()", "pi()", "(2)", "-time()")),
            (3, lambda: f"scalar({self.vector(depth - 1, exact=True)})"),
            (3, lambda: f"({self.scalar(depth - 1)} {self.arithmetic()} {self.scalar(depth - 1)})"),
            (2, lambda: f"({self.scalar(depth - 1)} {self.comparison()} bool {self.scalar(depth - 1)})"),
        ]
        if self.newest:
            plain.append((2, lambda: self.pick("start()", "end()", "range()", "step()")))
            plain.append((1, lambda: f"max_of({self.scalar(0)}, {self.scalar(depth - 1)})"))
            plain.append((1, lambda: f"min_of({self.scalar(depth - 1)}, {self.scalar(0)})"))
        return self.one_of(plain)

    def remainder(self) -> str:
        """Of numbers that are the same to the last bit, or a whole divisor is missing."""
        return _untyped(f"{self.instant()} % {self.matching()} {self.instant()}")

    def arithmetic(self) -> str:
        # Version 2 left the metric's name behind atan2.
        return self.pick("+", "-", "*", "/", "^", "atan2" if self.newest else "+")

    def comparison(self) -> str:
        return self.pick("==", "!=", ">", "<", ">=", "<=")

    # Selectors

    def duration(self) -> str:
        if self.newest and self.chance.random() < 0.1:
            return self.pick("1m + 30s", "step() * 3", "max_of(2m, step())", "(4m - 10s) / 2", "-(-90)", "90")
        return self.pick("1m", "90s", "5m", "7m", "20m", "45s", "16s")

    def step(self) -> str:
        return self.pick("", "", "37s", "1m", "10s", "2m")

    def modifiers(self) -> str:
        at = ""
        if self.chance.random() < 0.15:
            at = self.pick(" @ start()", " @ end()", f" @ {self.start_s + self.chance.randint(0, 2000)}.002")
        offset = ""
        if self.chance.random() < 0.2:
            offset = self.pick(" offset 3m", " offset -2m", " offset 17s", " offset 1h")
            if self.newest and self.chance.random() < 0.2:
                offset = self.pick(" offset 0s", " offset -(1m * 2)", " offset step()", " offset (2m - 10s)")
        return at + offset if self.chance.random() < 0.5 else offset + at

    def name(self) -> str:
        names = ("g", "g", "m", "m", "c_total", "c_total", "plain", "plain", "few", "alone", "h_bucket")
        if self.newest:
            names = (*names, "odd_bucket", '{"métrique.ü"}', "target_info", "nothing", "typed_total")
        return self.chance.choice(names)

    def selector(self) -> str:
        if self.chance.random() < 0.06:
            # Version 2 refuses a minus before series that become one.
            one = "{__name__=~'g|m|c_total',job=~'api|web'}"
            return self.pick(one, "{__name__=~'half_.*'}" if self.newest else one)
        name = self.name()
        if name.startswith("{"):
            return name
        return name + (self.chance.choice(_PARTS) if self.chance.random() < 0.3 else "")

    def instant(self) -> str:
        mode = " smoothed" if self.newest and self.chance.random() < 0.04 else ""
        return self.selector() + mode + self.modifiers()

    def window(self, depth: int) -> str:
        if depth > 0 and self.chance.random() < 0.3:
            # In a subquery's subquery, version 2's windows would end on steps.
            inner = self.vector(depth - 1 if self.newest else 0, exact=True, flat=not self.newest)
            step = f"{self.duration()}:{self.step()}"
            return f"({inner})[{step}]{self.modifiers()}"
        return f"{self.selector()}[{self.duration()}]{self.modifiers()}"

    # Vectors

    def vector(self, depth: int, *, exact: bool = False, flat: bool = False) -> str:
        if depth <= 0:
            return self.instant()
        plain: list[tuple[int, Make]] = [
            (3, self.instant),
            (2, lambda: f"{self.chance.choice(_EXACT_FUNCTIONS)}({self.vector(depth - 1, exact=True)})"),
            (6, lambda: self.ranged(depth, exact)),
            (6, lambda: self.aggregation(depth, exact)),
            (6, lambda: self.binary(depth, exact)),
            (1, lambda: f"-{self.instant()}"),
            (1, lambda: f"{self.pick('-', '+')}({self.vector(depth - 1, exact=exact)})"),
            (1, lambda: f"({self.vector(depth - 1, exact=exact)})"),
            (1, lambda: f"vector({self.scalar(depth - 1)})"),
            (1, lambda: f"absent({self.vector(depth - 1, exact=True)})"),
            (1, lambda: self.clamped(depth, exact)),
            (2, lambda: self.relabelled(depth, exact)),
            (1, lambda: f"{self.instant()} % {self.number()}"),
            (1, self.remainder),
            (1, lambda: self.counted("", depth)),
            (1, lambda: f"{self.chance.choice(_TIME_FUNCTIONS)}({self.pick('', self.vector(0))})"),
        ]
        if not exact:
            plain.append((4, lambda: f"{self.chance.choice(_FUNCTIONS)}({self.vector(depth - 1)})"))
            plain.append((3, lambda: self.quantiles(depth)))
            plain.append((1, lambda: f"{self.chance.choice(_STEEP_FUNCTIONS)}({self.instant()})"))
        if self.newest:
            plain.append((1, lambda: self.sorted_by_label(depth)))
            plain.append((2, lambda: self.info(depth)))
        return self.one_of(plain)

    def of_huge(self) -> str:
        """What sums and means make of numbers that are nearly too large."""
        function = self.pick("avg_over_time", "sum_over_time", "max_over_time", "min_over_time")
        return self.pick(
            f"{function}(huge[{self.duration()}])",
            f"{self.pick('avg', 'sum', 'max')} by (instance) (huge{self.modifiers()})",
            f"max({function}(huge[{self.duration()}]))",
        )

    def clamped(self, depth: int, exact: bool) -> str:
        inner = self.vector(depth - 1, exact=exact)
        return self.pick(
            f"clamp({inner}, -2, {self.scalar(1)})",
            f"clamp_min({inner}, {self.scalar(1)})",
            f"clamp_max({inner}, 3)",
            f"round({self.instant()}, {self.pick('1', '7', '0.5', '0', '-3')})",
            f"round({self.instant()})",
        )

    def relabelled(self, depth: int, exact: bool) -> str:
        inner = self.vector(depth - 1, exact=exact)
        return self.pick(
            f"label_replace({inner}, 'to', '$1-x', 'instance', 'i(.*)')",
            f"label_replace({inner}, 'job', '', 'job', '.*')",
            f"label_replace({inner}, '__name__', 'other', 'job', 'api')",
            f"label_join({inner}, 'to', '/', 'job', 'instance')",
            f"label_replace({inner}, '{'__type__' if self.newest else 'type'}', 'gauge', 'job', 'api')",
            f"label_join({inner}, 'instance', '', 'nothing')",
        )

    def ranged(self, depth: int, exact: bool) -> str:
        if self.newest and self.chance.random() < 0.06:
            anchored = exact or self.chance.random() < 0.5
            functions = ("changes", "resets") if exact else ("rate", "increase", "delta")
            function = self.pick(*functions)
            mode = "anchored" if anchored else "smoothed"
            return f"{function}({self.selector()}[{self.duration()}] {mode}{self.modifiers()})"
        window = self.window(depth - 1)
        if exact:
            return f"{self.chance.choice(_CHOOSING_RANGE_FUNCTIONS)}({window})"
        functions = (*_CHOOSING_RANGE_FUNCTIONS, *_RANGE_FUNCTIONS, *_RANGE_FUNCTIONS)
        functions = (*functions, "predict_linear", "quantile_over_time")
        if self.newest:
            functions = (*functions, *_NEW_RANGE_FUNCTIONS, "smoothing")
        function = self.chance.choice(functions)
        if function in ("rate", "increase", "irate") and not self.newest:
            return f"{function}(c_total[{self.duration()}]{self.modifiers()})"
        if function == "predict_linear":
            if not self.newest and "@" in window:
                return f"deriv({window})"  # version 2 predicts from the first step on
            return f"predict_linear({window}, {self.pick('600', '-60', '0', self.scalar(1))})"
        if function == "quantile_over_time":
            return f"quantile_over_time({self.quantile()}, {window})"
        if function == "integral" and self.chance.random() < 0.7:
            return f"integral({window}, {self.pick('0', '1', '2', '3', '0.5', 'NaN', self.scalar(1))})"
        if function == "smoothing":
            return f"double_exponential_smoothing({window}, {self.pick('0.3', '0.9', '1', '0')}, 0.7)"
        return f"{function}({window})"

    def quantile(self) -> str:
        if not self.newest:
            # Version 2 makes NaN of an exact rank beside an infinity.
            return self.pick("0.37", "0.913", "0.123", "-0.1", "1.1", "NaN")
        return self.pick("0.5", "0.9", "0", "1", "0.25", "-0.1", "1.1", "NaN", f"({self.scalar(1)})")

    def quantiles(self, depth: int) -> str:
        buckets = self.pick("h_bucket", "h_bucket", "odd_bucket" if self.newest else "h_bucket")
        inner = self.pick(
            buckets,
            f"rate({buckets}[{self.duration()}])",
            f"sum by (le) (rate({buckets}[5m]))",
            f"{buckets} offset 2m",
        )
        if self.newest:
            first = self.pick("0.5", "0.9", "0", "-0.1", "NaN")
            return self.pick(
                f"histogram_quantile({self.quantile()}, {inner})",
                f"histogram_fraction({self.number()}, {self.scalar(1)}, {inner})",
                # Of buckets that differ in spelling alone, Prometheus gets the second quantile wrong.
                f"histogram_quantiles({inner.replace('odd', 'h')}, 'q', {first}, 0.75)",
            )
        return f"histogram_quantile({self.quantile()}, {inner})"

    def grouping(self) -> str:
        labels = ", ".join(
            self.chance.sample(_LABELS if self.newest else _LABELS[:-2], self.chance.randint(0, 3))
        )
        return self.pick("", f"by ({labels})", f"without ({labels})")

    def chosen(self) -> str:
        """The outermost operator alone: which of equals it chooses is left open, and would show in others."""
        operator = self.pick("topk", "bottomk", *(("limitk",) if self.newest else ()))
        count = self.pick("1", "2", "3", "0", "-1", "2.9", self.scalar(1) if self.newest else "7")
        return f"{operator} {self.grouping()} ({count}, {self.vector(1, exact=True)})"

    def aggregation(self, depth: int, exact: bool) -> str:
        kind = self.chance.random()
        grouping = self.grouping()
        if kind < 0.25 and self.newest:
            ratio = self.pick("0.3", "-0.7", "1", "0", "-1", "1.5", "-3", "0.5")
            return f"limit_ratio {grouping} ({ratio}, {self.vector(depth - 1, exact=exact)})"
        if kind < 0.3:
            return self.counted(grouping, depth)
        if kind < 0.37 and not exact:
            return f"quantile {grouping} ({self.quantile()}, {self.vector(depth - 1)})"
        # Version 2 takes the deviation of an infinity for 0.
        others = _AGGREGATIONS if self.newest else ("sum", "avg")
        operators = _EXACT_AGGREGATIONS if exact else (*_EXACT_AGGREGATIONS, *others, *others)
        return f"{self.chance.choice(operators)} {grouping} ({self.vector(depth - 1, exact=exact)})"

    def counted(self, grouping: str, depth: int) -> str:
        if not self.newest:
            # Version 2 loses labels where the new one is not the last in order.
            return f"count_values('value', {self.pick('plain', 'few', 'c_total')}{self.modifiers()})"
        label = self.pick("value", "job", "le")
        return f"count_values {grouping} ('{label}', {self.vector(depth - 1, exact=True)})"

    # Operators

    def matching(self, *, many: bool = True) -> str:
        text = self.pick(
            *(
                "on (job, instance)",
                "ignoring (kind, zone)",
                "on (job, instance)",
                "ignoring (kind, zone, le)",
            ),
            *("on (job)", "on ()", "ignoring (instance)", "on (job, instance, zone)", "ignoring (job)"),
        )
        if many and self.chance.random() < 0.4:
            text += self.pick(
                " group_left ()", " group_right ()", " group_left (zone)", " group_right (kind)"
            )
        # With group_right, Prometheus fills another side than Backbeat.
        if many and self.newest and "group_right" not in text and self.chance.random() < 0.15:
            text += self.pick(
                " fill (0)", " fill_left (3)", " fill_right (-1)", " fill_left (1) fill_right (NaN)"
            )
        return text if self.chance.random() < 0.85 else ""

    def binary(self, depth: int, exact: bool) -> str:
        """Of series without a type: Prometheus matches whatever their types, Backbeat by them."""
        return _untyped(self.operation(depth, exact))

    def operation(self, depth: int, exact: bool) -> str:
        kind = self.chance.random()
        if kind < 0.2:
            operator = self.pick("and", "or", "unless")
            left, right = (self.vector(depth - 1, exact=exact) for _ in range(2))
            return f"({left}) {operator} {self.matching(many=False)} ({right})"
        if kind < 0.55:
            compares = exact or self.chance.random() < 0.4
            vector = f"({self.vector(depth - 1, exact=compares)})"
            number = self.scalar(1)
            if compares:
                bool_ = self.pick("", " bool")
                pair = [vector, number]
                self.chance.shuffle(pair)
                return f"{pair[0]} {self.comparison()}{bool_} {pair[1]}"
            pair = [vector, number]
            self.chance.shuffle(pair)
            return f"{pair[0]} {self.arithmetic()} {pair[1]}"
        compares = exact or self.chance.random() < 0.3
        left, right = (f"({self.vector(depth - 1, exact=compares)})" for _ in range(2))
        if self.chance.random() < 0.5:
            left, right = self.pick("g", "c_total", "plain"), self.pick("m", "plain", "target_info", "few")
        operator = f"{self.comparison()}{self.pick('', ' bool')}" if compares else self.arithmetic()
        return f"{left} {operator} {self.matching()} {right}"

    # New in version 3

    def sorted_by_label(self, depth: int) -> str:
        function = self.pick("sort_by_label", "sort_by_label_desc")
        labels = self.pick("", ", 'instance'", ", 'job', 'instance'", ", 'nothing', 'instance'")
        return f"{function}({self.vector(depth - 1, exact=True)}{labels})"

    def info(self, depth: int) -> str:
        selector = self.pick(
            *("", "", ", {version=~'.+'}", ", {__name__='build_info'}", ", {__name__=~'.+_info'}"),
            *(", {data!=''}", ", {version='v1',__name__=~'target_.*'}", ", {nothing=~'.*'}"),
            *(", {__name__!='target_info'}", ", {version!='v1'}"),
        )
        inner = self.pick(
            self.instant(),
            f"-({self.instant()})",
            f"{self.pick('max', 'count')} by (job, instance) ({self.instant()})",
            f"{self.chance.choice(_CHOOSING_RANGE_FUNCTIONS)}({self.window(1)})",
            f"({self.instant()}) or ({self.instant()})",
            f"{self.instant()} * scalar({self.instant()})",
            f"label_replace(vector(1), 'job', 'api', '', '') or {self.instant()}",
        )
        return _untyped(f"info({inner}{selector})")


def _untyped(query: str) -> str:
    return query.replace("typed_total", "c_total").replace("'__type__'", "'type'")
