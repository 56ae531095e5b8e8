"""One account, several symbols, one bar at a time: the compiled state machine.

`step` takes the account from one time to the next; `run_bars` calls it for many. Everything that
the account remembers is in two arrays, named by `S` (one row per symbol) and `A`. Positions are
fractions of equity. The order of a step, at row `i`:

1. what was held since the last open has earned its return (`settle_row` completes row `i - 1`);
2. orders decided earlier fill at this open (`trade_at_open`);
3. stops that this bar touches fill (`stop_inside_bar`);
4. at the close, volatility and drawdown are updated (`learn_at_close`), for the next open on.

A row's growth G is 1 plus what all symbols earned in it. A trade that earned e of that books the
logarithm e log(G) / (G - 1) (`log_share`): the product of all trades' returns is the account's.
"""

from __future__ import annotations  # noqa: I001  the list below stays short

import numpy as np
from numba import njit

from ultimate_deep.portfolio.event_driven.types import (
    A, BarTables, Books, Orders, R, Rules, S, T, V,
)  # fmt: skip

TYPES_DIGEST = "6914c9a6e04afcee"  # of the source of `types.py`, whose constants are compiled in

# Without reference counts (nothing here allocates) a bar costs a fifth of the time.
_kernel = njit(cache=True, error_model="numpy", _nrt=False)


@_kernel
def volatility(state: np.ndarray, kind: int) -> float:
    """Volatility of one bar from closed bars; 0 before the first."""
    weight = state[S.weight + kind]
    return np.sqrt(state[S.variance + kind] / weight) if weight > 0.0 else 0.0


@_kernel
def log_share(change: float) -> float:
    """Logarithmic growth per unit of a change of the account by `change`."""
    return np.log1p(change) / change if change != 0.0 else 1.0


@_kernel
def fill_cost(value: float, state: np.ndarray, rules: Rules, account: np.ndarray) -> float:
    """Cost of trading `value`, both as fractions of the equity `account[A.equity]`."""
    fraction = rules.per_side
    if rules.impact > 0.0 and value > 0.0:
        volume = state[S.notional] / state[S.weight + V.impact]  # NaN before the first close
        if not volume > 0.0:
            return np.inf
        unit = rules.impact * volatility(state, V.impact) * np.sqrt(rules.capital / volume)
        fraction += unit * np.sqrt(value * account[A.equity] if rules.grows else value)
    return value * fraction


@_kernel
def close_trade(symbol: int, row: float, price: float, state: np.ndarray, books: Books) -> None:
    """Write the open trade to `closed` and forget it."""
    account = books.account
    line = books.closed[int(account[A.trades])]
    line[T.symbol], line[T.side] = symbol, state[S.side]
    line[T.entry_row], line[T.exit_row] = state[S.entry_row], row
    line[T.entry_price], line[T.exit_price] = state[S.entry_price], price
    line[T.size] = state[S.size_sum] / max(state[S.size_rows], 1.0)
    line[T.log_gross], line[T.log_net] = state[S.log_gross], state[S.log_net]
    line[T.reason] = state[S.reason]
    account[A.trades] += 1
    state[S.side] = 0.0


@_kernel
def open_trade(side: int, price: float, log_net: float, state: np.ndarray, rules: Rules) -> None:
    """Begin a trade at its first fill."""
    state[S.side], state[S.entry_row], state[S.entry_price] = side, state[S.bars] - 1, price
    state[S.best], state[S.log_gross], state[S.log_net] = price, 0.0, log_net
    state[S.size_sum] = state[S.size_rows] = 0.0
    state[S.reason] = R.signal
    unit = volatility(state, V.stops) if rules.stops_in_volatility else 1.0
    state[S.distance_unit] = unit if unit > 0.0 else np.inf


@_kernel
def stop_levels(state: np.ndarray, rules: Rules) -> tuple[float, float, int]:
    """Price of the nearest stop, of the take-profit, and the stop's reason."""
    side, unit, entry = state[S.side], state[S.distance_unit], state[S.entry_price]
    fixed = entry * (1.0 - side * rules.stop_loss * unit)
    trailing = state[S.best] * (1.0 - side * rules.trailing_stop * unit)
    target = entry * (1.0 + side * rules.take_profit * unit)
    if side * trailing > side * fixed:
        return trailing, target, R.trailing_stop
    return fixed, target, R.stop_loss


@_kernel
def reason_to_leave(price: float, state: np.ndarray, rules: Rules) -> int:
    """Which barrier the open of a bar has reached, or `R.signal` for none."""
    if state[S.bars] - 1 - state[S.entry_row] >= rules.max_bars:
        return R.max_bars
    if rules.stops_inside:
        side = state[S.side]
        stop, target, reason = stop_levels(state, rules)
        if side * (price - stop) <= 0.0:
            return reason
        if side * (price - target) >= 0.0:
            return R.take_profit
    return R.signal


@_kernel
def volatility_spikes(state: np.ndarray, rules: Rules) -> bool:
    """Whether short volatility is out of proportion to long volatility; not where prices stood."""
    if rules.spike_ratio == np.inf or state[S.bars] <= rules.long_bars:
        return False
    usual = volatility(state, V.long)
    return usual > 0.0 and volatility(state, V.short) >= rules.spike_ratio * usual


@_kernel
def wanted_at_open(
    price: float, target: float, flat: bool, last_bar: float, state: np.ndarray, rules: Rules
) -> float:
    """What to hold from this open on; sets why where that is less than the target."""
    reason = R.signal
    side = np.sign(target)
    if state[S.blocked] != side:
        state[S.blocked] = 0.0
    if state[S.bars] - 1 >= last_bar:
        target, reason = 0.0, R.end
    elif flat:
        target, reason = 0.0, R.drawdown
    elif state[S.blocked] != 0.0:
        target, reason = 0.0, state[S.reason]
    elif volatility_spikes(state, rules):
        target *= rules.spike_scale
        reason = R.volatility if target == 0.0 else R.signal
    if target != 0.0 and np.sign(target) == state[S.side]:
        reason = reason_to_leave(price, state, rules)
        if reason != R.signal:
            target = 0.0
            state[S.blocked] = 0.0 if rules.re_enter else side
    if target == 0.0:
        state[S.reason] = reason
    return target


@_kernel
def settle_row(row: int, market: BarTables, rules: Rules, books: Books) -> None:
    """Complete the row before: returns and holding costs from its open to this one."""
    symbols, account = books.symbols, books.account
    gross = charge = 0.0
    for symbol in range(len(symbols)):
        state = symbols[symbol]
        if state[S.row_position] == 0.0:
            continue
        position, price = state[S.row_position], market.open[row, symbol]
        move = price / state[S.mark] - 1.0 if price == price else 0.0
        state[S.realised] += state[S.held] * move  # beside what stops inside the bar realised
        rate = rules.funding * position - rules.borrow * min(position, 0.0)
        state[S.stop_cost] += rate * market.years[row]
        state[S.held] *= 1.0 + move  # still a fraction of the last open's equity
        gross += state[S.realised]
        charge += state[S.stop_cost]
    growth_gross = 1.0 + gross
    growth = growth_gross - charge
    if not growth_gross > 0.0:
        growth_gross = growth = charge = 0.0
    if not growth > 0.0 and account[A.ruined] == 0.0:
        account[A.ruined], growth, charge = 1.0, 0.0, growth_gross
    share_gross, share_net = log_share(gross), log_share(gross - charge)
    for symbol in range(len(symbols)):
        state, price = symbols[symbol], market.open[row, symbol]
        if state[S.row_position] != 0.0:
            state[S.log_gross] += state[S.realised] * share_gross if growth_gross > 0.0 else -np.inf
            change = state[S.realised] - state[S.stop_cost]
            state[S.log_net] += change * share_net if growth > 0.0 else -np.inf
            state[S.size_sum] += abs(state[S.row_position])
            state[S.size_rows] += 1.0
            if state[S.held] == 0.0 and growth > 0.0:
                close_trade(symbol, state[S.exit_row], state[S.exit_price], state, books)
            state[S.held] = state[S.held] / growth if growth > 0.0 else 0.0  # of this open's
            state[S.realised] = state[S.stop_cost] = 0.0
        if price == price:
            state[S.mark] = price
            state[S.bars] += 1.0
        if state[S.side] != 0.0 and growth == 0.0:
            state[S.reason] = R.ruin
            close_trade(symbol, state[S.bars] - 1, state[S.mark], state, books)
    complete_row(growth_gross, growth, charge, account)


@_kernel
def complete_row(gross: float, growth: float, charge: float, account: np.ndarray) -> None:
    """Write the finished row's figures and move equity on."""
    equity, kept = account[A.equity], account[A.kept]
    account[A.row_position] = account[A.position]
    account[A.row_turnover] = account[A.turnover]
    account[A.row_gross] = gross - 1.0
    account[A.row_net] = kept * growth - 1.0
    account[A.row_cost] = equity * (1.0 - kept + kept * charge)
    account[A.row_equity] = account[A.equity] = equity * (kept * growth)


@_kernel
def trade_at_open(row: int, market: BarTables, orders: Orders, rules: Rules, books: Books) -> None:
    """Fill what is wanted, as far as the volume allows, and pay for it."""
    symbols, account = books.symbols, books.account
    account[A.kept], account[A.turnover], account[A.position] = 1.0, 0.0, 0.0
    if account[A.ruined] != 0.0:
        for symbol in range(len(symbols)):
            symbols[symbol, S.row_position] = symbols[symbol, S.held] = 0.0
        return
    flat = account[A.flat_rows] > 0.0
    if flat:
        account[A.flat_rows] -= 1.0
        account[A.peak] = 0.0  # drawdown is counted afresh afterwards
    cost = 0.0
    for symbol in range(len(symbols)):
        cost += fill_at_open(row, symbol, flat, market, orders, rules, books)
    kept = 1.0 - cost
    if not kept > 0.0:
        kept = 0.0
        account[A.ruined] = 1.0
    account[A.kept] = kept
    share = log_share(-cost) if kept > 0.0 else np.inf
    for symbol in range(len(symbols)):
        state, price = symbols[symbol], market.open[row, symbol]
        if kept == 0.0:
            state[S.next_position], state[S.reason] = 0.0, R.ruin
        elif price != price or state[S.partial] != 0.0:
            # Its value stays, the equity that it is a fraction of has shrunk.
            state[S.next_position] /= kept
        if price == price or kept == 0.0:
            log_cost = -state[S.cost] * share if kept > 0.0 else -np.inf
            book_fill(symbol, log_cost, rules, books)
        state[S.held] = state[S.row_position] = state[S.next_position]
        account[A.position] += state[S.held]


@_kernel
def fill_at_open(
    row: int, symbol: int, flat: bool, market: BarTables, orders: Orders, rules: Rules, books: Books
) -> float:
    """Decide one symbol's fill; return its cost as a fraction of equity."""
    state, account, price = books.symbols[symbol], books.account, market.open[row, symbol]
    state[S.traded] = state[S.cost] = state[S.partial] = 0.0
    held = state[S.next_position] = state[S.held]
    if price != price:
        return 0.0
    last_bar = orders.last_bar[symbol]
    wanted = wanted_at_open(price, orders.target[row, symbol], flat, last_bar, state, rules)
    size = abs(wanted - held)
    if rules.volume_share < np.inf and state[S.bars] - 1 < last_bar:
        most = rules.volume_share * market.volume[row, symbol] * price
        most /= rules.capital * account[A.equity]
        if size > most:
            size, wanted = most, held + np.sign(wanted - held) * most
            state[S.partial] = 1.0
    state[S.next_position], state[S.traded] = wanted, size
    state[S.cost] = fill_cost(size, state, rules, account)
    if state[S.cost] == np.inf:
        account[A.without_volume] = symbol + 1.0
    account[A.turnover] += size
    return state[S.cost]


@_kernel
def book_fill(symbol: int, log_cost: float, rules: Rules, books: Books) -> None:
    """Keep the trade list: close, open or continue the symbol's trade."""
    state = books.symbols[symbol]
    price = state[S.mark]
    before, now = state[S.side], np.sign(state[S.next_position])
    leaving = entering = log_cost
    if before != 0.0 and now != 0.0 and before != now:
        # A reversal is one fill for two trades: its cost is shared by the notional of each.
        leaving = log_cost * abs(state[S.held]) / state[S.traded]
        entering = log_cost - leaving
    if before != 0.0 and now == before:
        state[S.log_net] += log_cost
    elif before != 0.0:
        state[S.log_net] += leaving
        close_trade(symbol, state[S.bars] - 1, price, state, books)
    if now != 0.0 and now != before:
        open_trade(now, price, entering, state, rules)


@_kernel
def stop_inside_bar(row: int, symbol: int, market: BarTables, rules: Rules, books: Books) -> None:
    """Fill the stop or the take-profit that this bar touches; the stop where it touches both."""
    state, account = books.symbols[symbol], books.account
    side, start = state[S.side], market.open[row, symbol]
    stop, target, reason = stop_levels(state, rules)
    worst, best = market.low[row, symbol], market.high[row, symbol]
    if side < 0.0:
        worst, best = best, worst
    if side * (worst - stop) <= 0.0:
        price = stop if side * (stop - start) < 0.0 else start
    elif side * (best - target) >= 0.0:
        price, reason = target if side * (target - start) > 0.0 else start, R.take_profit
    else:
        return
    equity = account[A.equity] * account[A.kept]
    filled = 1.0
    if rules.volume_share < np.inf:
        left = rules.volume_share * market.volume[row, symbol]
        left -= state[S.traded] * account[A.equity] * rules.capital / start
        filled = min(max(left, 0.0) / (abs(state[S.held]) * equity * rules.capital / start), 1.0)
    value = abs(state[S.held]) * filled * price / start
    cost = fill_cost(value, state, rules, account)
    if cost == np.inf:
        account[A.without_volume] = symbol + 1.0
    state[S.realised] += state[S.held] * filled * (price / start - 1.0)
    state[S.stop_cost] += cost
    state[S.held] = state[S.held] * (1.0 - filled) if filled < 1.0 else 0.0
    state[S.reason], state[S.exit_row], state[S.exit_price] = reason, state[S.bars] - 1, price
    state[S.blocked] = 0.0 if rules.re_enter else side
    account[A.turnover] += value


@_kernel
def learn_at_close(row: int, market: BarTables, rules: Rules, books: Books) -> None:
    """Take in what the bars' closes tell: best prices, volatilities, the drawdown."""
    symbols, account = books.symbols, books.account
    gain = 0.0
    for symbol in range(len(symbols)):
        state, close = symbols[symbol], market.close[row, symbol]
        if close == close:
            if state[S.side] > 0.0:
                state[S.best] = max(state[S.best], market.high[row, symbol])
            elif state[S.side] < 0.0:
                state[S.best] = min(state[S.best], market.low[row, symbol])
            if rules.learns:
                before = state[S.last_close] if state[S.bars] > 1 else market.open[row, symbol]
                learn_bar(np.log(close / before), market.volume[row, symbol] * close, rules, state)
            state[S.last_close] = close
        if state[S.row_position] != 0.0:
            gain += state[S.held] * (state[S.last_close] / state[S.mark] - 1.0)
            gain += state[S.realised] - state[S.stop_cost]
    if rules.max_drawdown < np.inf and account[A.flat_rows] == 0.0:
        equity = account[A.equity] * account[A.kept] * (1.0 + gain)
        account[A.peak] = max(account[A.peak], equity)
        if equity <= account[A.peak] * (1.0 - rules.max_drawdown):
            account[A.flat_rows] = rules.cooldown


@_kernel
def learn_bar(move: float, notional: float, rules: Rules, state: np.ndarray) -> None:
    """Update the weighted means with one closed bar."""
    for kind in range(4):
        alpha = rules.alpha[kind]
        state[S.variance + kind] = (1.0 - alpha) * state[S.variance + kind] + alpha * move * move
        state[S.weight + kind] = (1.0 - alpha) * state[S.weight + kind] + alpha
    alpha = rules.alpha[V.impact]
    state[S.notional] = (1.0 - alpha) * state[S.notional] + alpha * notional


@_kernel
def step(row: int, market: BarTables, orders: Orders, rules: Rules, books: Books) -> None:
    """Take the account through row `row` of the market; see the top of this file."""
    settle_row(row, market, rules, books)
    trade_at_open(row, market, orders, rules, books)
    for symbol in range(len(books.symbols)):
        state, price = books.symbols[symbol], market.open[row, symbol]
        if price != price or state[S.side] == 0.0 or books.account[A.ruined] != 0.0:
            continue
        if rules.stops_inside:
            side = state[S.side]
            state[S.best] = max(side * state[S.best], side * price) * side
            stop_inside_bar(row, symbol, market, rules, books)
    learn_at_close(row, market, rules, books)


@_kernel
def write_row(row: int, account: np.ndarray, curves: np.ndarray) -> None:
    """Copy the completed row's figures to a column of `curves`."""
    for number in range(len(curves)):
        curves[number, row] = account[A.row_position + number]


@_kernel
def run_bars(
    first: int, market: BarTables, orders: Orders, rules: Rules, books: Books, curves: np.ndarray
) -> int:
    """Step through the rows from `first` on; return the row that comes next.

    `curves` (6, rows) gets position, turnover, net and gross return, equity and cost.
    Stops early where `closed` may be full at the next row, or where impact is undefined.
    """
    account = books.account
    rows, room = len(orders.target), len(books.closed) - 2 * len(books.symbols)
    for row in range(first, rows):
        if account[A.trades] > room or account[A.without_volume] != 0.0:
            return row
        step(row, market, orders, rules, books)
        if row > 0:
            write_row(row - 1, account, curves)
    if rows > 0:
        complete_row(1.0, 1.0, 0.0, account)  # everything was closed at the last open
        write_row(rows - 1, account, curves)
    return rows
