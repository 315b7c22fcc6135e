"""The API that clients query, one module for each resource; `app` puts them together."""
