"""The numbers by which a compiled program names its operators.

They are plain module constants because the kernels freeze them at compile time. Numbers are
internal: nothing on disk refers to them.
"""

# Of one input.
ABS = 0
SQRT = 1
TANH = 2
SIN = 3
COS = 4
LOG1P = 5
AFFINE = 6
CLIP = 7
BETWEEN = 8
# Of two inputs.
ADD = 20
SUB = 21
MUL = 22
DIV = 23
MAXIMUM = 24
MINIMUM = 25
LOG_RATIO = 26
COMPARE = 27
# Of three inputs.
WHERE = 40
# Of a window.
LAG = 60
SUM = 61
MEAN = 62
ABSOLUTE_DEVIATION = 63
STANDARD_DEVIATION = 64
STANDARD_MOMENT = 65
COVARIANCE = 66
SLOPE = 67
MIN = 68
MAX = 69
BARS_SINCE_MIN = 70
BARS_SINCE_MAX = 71
RANK = 72
QUANTILES = 73
FIR = 74
DRAWDOWN = 75
ULCER = 76
CUMULATIVE_RANGE = 77
ENTROPY = 78
STREAK = 79
# Recursive.
EXPONENTIAL = 90
CUMULATIVE = 91
# Of the clock.
CALENDAR = 100
