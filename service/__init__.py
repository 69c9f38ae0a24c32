"""The platform's own door for programs and people: an HTTP API under `/v1`, OpenFeature's protocol, and pages."""
