"""How a database of records came to its present shape, step by step; run by Alembic."""
