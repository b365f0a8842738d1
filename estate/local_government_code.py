"""The check digit of a national local-government code (全国地方公共団体コード).

Source: 総務省「全国地方公共団体コード仕様」. The first five digits weigh 6, 5, 4, 3, 2; the check digit is the last
digit of 11 minus the remainder of their sum modulo 11 (below 11 that is 11 minus the sum itself).
"""


def check_digit(first_five: str) -> str:
    """The sixth digit that belongs to the first five."""
    total = sum(weight * int(digit) for weight, digit in zip(range(6, 1, -1), first_five, strict=True))
    return str((11 - total % 11) % 10)
