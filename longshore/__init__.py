"""What programs and people use who have installed us: ``embed``, ``client``, the frameworks, the command.

In a checkout this folder lies beside the five packages; in the wheel they lie within it, as ``longshore.domain`` and so
on, so that they get in nobody's way (decision 0042).
"""
