"""The versioned message format between bridges and on MQTT; `docs/mqtt.md` describes it for others."""
