"""Spans to an OpenTelemetry collector, by its SDK: loaded only where one is named."""
