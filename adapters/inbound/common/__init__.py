"""What every way in shares: who calls, how often, how much may wait, how refusals and values are spelt on the wire."""
