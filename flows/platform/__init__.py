"""The platform as people run it: servers, workers, deployments and automations. No flow lives here."""
