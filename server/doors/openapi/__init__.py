"""The API described for tools: an OpenAPI document of every route, what it takes and what it answers."""
