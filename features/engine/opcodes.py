"""The numbers by which a compiled program names its operators.

They are plain module constants because the kernels freeze them at compile time. Numbers are
internal: nothing on disk refers to them.
"""

# Leaves of the graph, which no kernel computes.
COLUMN = -1
CONSTANT = -2
# A reference to an earlier bar of another node: it becomes an offset of whoever reads it.
LAG = -3

# Of one input.
COPY = 0
AFFINE = 1
CLIP = 2
ABS = 3
BETWEEN = 4
PACK = 5
PACKED_ENTROPY = 6
# Of one input, and many operations: these are done side by side for single bars too.
SQRT = 10
TANH = 11
SIN = 12
COS = 13
LOG = 14
NORMAL_CDF = 15
ARCTANGENT = 16
# Of two inputs.
ADD = 20
SUB = 21
MUL = 22
MAXIMUM = 23
MINIMUM = 24
COMPARE = 25
ABOVE = 26
DIFFERENCE = 27
MERGE_MEANS = 28
DIV = 29
# Of two inputs, and many operations.
LOG_RATIO = 30
DEVIATION = 31
# Of three or four inputs.
WHERE = 40
MERGE_PRODUCTS = 41
MERGE_AGES = 42
MERGE_DRAWDOWNS = 43
# Scans of a window.
FIR = 60
RANK = 61
ABSOLUTE_DEVIATION = 62
CUMULATIVE_RANGE = 63
# With a memory of their own.
QUANTILES = 80
EXPONENTIAL = 81
EXPONENTIAL_VARYING = 82
CUMULATIVE = 83
STREAK = 84
# Of the clock.
CALENDAR = 90
