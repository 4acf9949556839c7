"""Deliveries to receivers of webhooks, by Tornado's HTTP client: only to addresses that they may reach."""
